#include "encoder/profile.h"

#include <algorithm>

namespace fastbert {

void Profile::add(const std::vector<Clock>& members) {
  // One that has no laps never ran: the system gave fewer threads than were asked for.
  const auto ran = [](const Clock& clock) { return clock.laps(Step::schedule) > 0; };
  const auto count = std::count_if(members.begin(), members.end(), ran);
  for (const Clock& clock : members)
    for (std::size_t i = 0; ran(clock) && i < kSteps; ++i) {
      steps[i].seconds += clock.seconds(static_cast<Step>(i)) / static_cast<double>(count);
      steps[i].calls += clock.laps(static_cast<Step>(i));
    }
  (*this)[Step::schedule].calls = ++calls_;
}

}  // namespace fastbert
