#include "encoder/linear.h"

#include <algorithm>
#include <limits>

#include "encoder/product.h"
#include "encoder/schedule.h"
#include "parallel.h"

namespace fastbert {
namespace {

// Rows that forward() computes at once, in tiles; of fewer, it shares out the panels.
constexpr std::size_t kTilesOfRows = 8;

// What forward_max() multiplies with at once stays in L2, with the rows that pass over it and their
// products: 95 % of the peak with 768 inputs and 1 MB of L2. See docs/performance.md.
constexpr std::size_t kPanelBytes = 512 << 10;
constexpr std::size_t kTilesAtOnce = 4;

// y[i] = the larger of x[i] and y[i], or NaN.
void keep_larger(const float* x, std::size_t count, float* y) {
  for (std::size_t i = 0; i < count; ++i) y[i] = ((x[i] > y[i]) | (x[i] != x[i])) ? x[i] : y[i];
}

}  // namespace

// Rows of numbers as products read them.
class Linear::Rows {
 public:
  Rows(const Linear& linear, std::size_t rows)
      : linear_(linear),
        stride_(row_stride(linear.inputs())),
        quantized_stride_(byte_stride(linear.inputs())),
        quantized_(linear.type_ == ComputeType::int8),
        // Also what quantize() needs for its scratch.
        spread_(allocate<float>(rows * stride_)),
        bytes_(allocate<std::uint8_t>(quantized_ ? rows * quantized_stride_ : 0)),
        scales_(allocate<float>(quantized_ ? rows : 0)) {}

  // Takes `count` rows of x, (rows, inputs), which is contiguous.
  //
  // Rows of x that lie a multiple of 4 KiB apart would push each other out of L1: 74 % of the peak
  // instead of 87 % with 3072 inputs.
  void take(const float* x, std::size_t begin, std::size_t count) const {
    const std::size_t inputs = linear_.inputs();
    float* const spread = spread_.get() + begin * stride_;
    x += begin * inputs;
    if (quantized_)
      return linear_.kernels_.quantize({Activation::identity, x, inputs,
                                        bytes_.get() + begin * quantized_stride_, quantized_stride_,
                                        scales_.get() + begin, count, inputs, spread});
    for (std::size_t r = 0; r < count; ++r)
      std::copy_n(x + r * inputs, inputs, spread + r * stride_);
  }

  // Those from row `begin` on.
  Input from(std::size_t begin) const {
    if (quantized_)
      return {nullptr, 0, bytes_.get() + begin * quantized_stride_, quantized_stride_,
              scales_.get() + begin};
    return {spread_.get() + begin * stride_, stride_, nullptr, 0, nullptr};
  }

 private:
  const Linear& linear_;
  std::size_t stride_, quantized_stride_;
  bool quantized_;
  Buffer<float> spread_;
  Buffer<std::uint8_t> bytes_;
  Buffer<float> scales_;
};

Linear::Linear(const KernelTable& kernels, ComputeType type, const LinearWeights& weights,
               std::size_t outputs, std::size_t inputs, int threads)
    : kernels_(kernels), type_(type) {
  const Packing packing(kernels, type);
  storage_ = allocate<std::byte>(packing.bytes(outputs, inputs));
  packing.pack({{weights, outputs}}, inputs, storage_.get(), threads);
  packed_ = packing.view(storage_.get(), outputs, inputs);
}

void Linear::forward(const float* x, std::size_t rows, float* y, Activation activation,
                     int threads) const {
  if (rows == 0) return;
  const std::size_t outputs = packed_.outputs, columns = kernels_.panel_columns;
  const std::size_t panels = packed_.panel_count, width = panels * columns;
  // The kernel writes whole panels: straight into y if they fit, else by way of wider rows.
  const Buffer<float> wide = width == outputs ? nullptr : allocate<float>(rows * width);
  float* const target = wide ? wide.get() : y;
  const Rows taken(*this, rows);

  const auto compute = [&](std::size_t row, std::size_t count, std::size_t panel_begin,
                           std::size_t panel_end) noexcept {
    float* const products = target + row * width;
    multiply(kernels_, type_, packed_, taken.from(row), products, width,
             {0, count, panel_begin, panel_end}, activation);
    const std::size_t begin = panel_begin * columns, end = panel_end * columns;
    if (type_ == ComputeType::int8)
      kernels_.activate({activation, products + begin, width, count, end - begin});
    for (std::size_t r = 0; wide && r < count; ++r)
      std::copy(products + r * width + begin, products + r * width + std::min(end, outputs),
                y + (row + r) * outputs + begin);
  };
  const std::size_t height = kernels_.tile_rows * kTilesOfRows;
  // A head of a few outputs is done before a second thread is awake.
  const ThreadGrant grant(threads, useful_threads(rows, width * packed_.inputs, type_));
  if (rows > height)
    return parallel_for(rows, height, grant, [&](std::size_t begin, std::size_t end) noexcept {
      taken.take(x, begin, end - begin);
      compute(begin, end - begin, 0, panels);
    });
  // Few rows wait for the weights, all of them for every row: each thread reads its own part.
  taken.take(x, 0, rows);
  parallel_for(panels, panels_at_once(), grant,
               [&](std::size_t begin, std::size_t end) noexcept { compute(0, rows, begin, end); });
}

std::size_t Linear::panels_at_once() const {
  const Packing packing(kernels_, type_);
  const std::size_t bytes = packing.bytes(kernels_.panel_columns, packed_.inputs);
  return std::max<std::size_t>(1, kPanelBytes / bytes);
}

// Rows outside, in few tiles, panels inside: the panels of a piece of work come from memory once,
// and a product is read while it is in the caches. Rows of neighbouring texts share tiles.
void Linear::forward_max(const float* x, const std::int32_t* offsets, std::size_t texts, float* y,
                         int threads) const {
  const Packing packing(kernels_, type_);
  const std::size_t rows = offsets[texts], outputs = packed_.outputs;
  const std::size_t columns = kernels_.panel_columns, panels = packed_.panel_count;
  const ThreadGrant grant(threads, static_cast<int>(std::min<std::size_t>(panels, kMostThreads)));
  const std::size_t members = grant.count(), height = kTilesAtOnce * kernels_.tile_rows;
  const std::size_t most = std::max<std::size_t>(1, (panels + members - 1) / members);
  const std::size_t group = std::min(panels_at_once(), most);
  const std::size_t stride = row_stride(group * columns);
  const Rows taken(*this, rows);
  const Buffer<float> scratch = allocate<float>(members * height * stride);

  const auto fold = [&](std::size_t begin, std::size_t end, float* products) {
    const PackedLinear part = packing.panels(packed_, begin, end);
    float* const maxima = y + begin * columns;
    for (std::size_t i = 0; i < texts; ++i)
      std::fill_n(maxima + i * outputs, part.outputs,
                  offsets[i] < offsets[i + 1] ? -std::numeric_limits<float>::infinity() : 0.0f);
    std::size_t text = 0;
    for (std::size_t row = 0; row < rows; row += height) {
      const std::size_t count = std::min(height, rows - row);
      multiply(kernels_, type_, part, taken.from(row), products, stride,
               {0, count, 0, part.panel_count}, Activation::identity);
      for (std::size_t r = 0; r < count; ++r) {
        while (static_cast<std::size_t>(offsets[text + 1]) <= row + r) ++text;
        keep_larger(products + r * stride, part.outputs, maxima + text * outputs);
      }
    }
  };
  grant.run([&](const Team& team) {
    team.share((rows + height - 1) / height, [&](std::size_t i) {
      taken.take(x, i * height, std::min(height, rows - i * height));
    });
    team.share((panels + group - 1) / group, [&](std::size_t i) {
      fold(i * group, std::min(panels, (i + 1) * group),
           scratch.get() + team.rank * height * stride);
    });
  });
}

}  // namespace fastbert
