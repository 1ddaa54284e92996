# cython: language_level=3, boundscheck=False, wraparound=False
"""The border between Python strings and csrc/tokenizer: no algorithm lives here.

A str is handed over as it is stored, at 1, 2 or 4 bytes per character. A tuple keeps the texts
alive while the GIL is released, and a str never changes.
"""

from cpython.list cimport PyList_Check
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_Check, PyTuple_GET_ITEM, PyTuple_GET_SIZE
from cpython.unicode cimport PyUnicode_Check
from libc.stdint cimport int32_t, int64_t, uint8_t
from libcpp cimport bool as cbool
from libcpp.memory cimport unique_ptr
from libcpp.string cimport string
from libcpp.utility cimport move
from libcpp.vector cimport vector

cimport numpy as cnp

cnp.import_array()

cdef Py_ssize_t MAX_INT32 = 2147483647

# Up to so many texts, and characters in all, are a short call. It keeps the GIL: some 10 microseconds
# pass sooner than another thread that was given the GIL would hand it back.
cdef Py_ssize_t SHORT_CALL_TEXTS = 64
cdef size_t SHORT_CALL_CHARS = 4096


cdef extern from * nogil:
    """
    #include <string_view>

    namespace {

    // Strings made by long-deprecated interfaces are laid out late before Python 3.12.
    #if PY_VERSION_HEX < 0x030C0000
    int make_str_ready(PyObject* text) { return PyUnicode_READY(text); }
    #else
    int make_str_ready(PyObject*) { return 0; }
    #endif

    PyObject* to_str(std::string_view utf8) {
      return PyUnicode_DecodeUTF8(utf8.data(), static_cast<Py_ssize_t>(utf8.size()), nullptr);
    }

    }  // namespace
    """
    int make_str_ready(PyObject* text) except -1 with gil
    void* PyUnicode_DATA(PyObject* text)
    int PyUnicode_KIND(PyObject* text)
    Py_ssize_t PyUnicode_GET_LENGTH(PyObject* text)
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL with gil
    object to_str(string_view utf8) with gil

    cdef cppclass string_view "std::string_view":
        string_view()
        string_view(const char* data, size_t size)
        size_t size()

    cdef cppclass TextSpan "std::span<const fastbert::Text>":
        TextSpan()
        TextSpan(const Text* data, size_t size)

    cdef cppclass ByteSpan "std::span<const std::uint8_t>":
        ByteSpan()
        ByteSpan(const uint8_t* data, size_t size)


cdef extern from "tokenizer/tokenizer.h" namespace "fastbert" nogil:
    cdef cppclass CVocabulary "fastbert::Vocabulary":
        void add(string_view token, int64_t id) except +
        void add_lines(string_view text) except +
        void add_records(string_view records) except +
        void finish() except +
        string records() except +
        size_t size()
        int32_t id(string_view token)
        cbool contains_id(int32_t id)
        string_view token(int32_t id)

    cdef cppclass NormalizerOptions:
        cbool clean_text
        cbool handle_chinese_chars
        cbool strip_accents
        cbool lowercase

    cdef cppclass WordPieceOptions:
        string unknown_token
        string continuation_prefix
        size_t max_word_chars

    cdef cppclass WordPiece:
        WordPiece(const CVocabulary& vocabulary, const WordPieceOptions& options) except +
        WordPiece(ByteSpan tables, const WordPieceOptions& options) except +
        string tables() except +

    cdef cppclass AddedToken:
        string content
        int32_t id
        cbool single_word
        cbool lstrip
        cbool rstrip
        cbool normalized

    cdef cppclass AddedSpanOptions:
        cbool trim
        cbool keep_single_first

    cdef cppclass Pipeline:
        Pipeline(const WordPiece&, const NormalizerOptions&, const vector[AddedToken]&,
                 const AddedSpanOptions&) except +
        const WordPiece& model()

    cdef cppclass SpecialToken:
        int32_t id
        int32_t type_id

    cdef cppclass Template:
        vector[SpecialToken] prefix
        vector[SpecialToken] middle
        vector[SpecialToken] suffix
        int32_t first_type_id
        int32_t second_type_id

    cdef cppclass Text:
        const void* data
        size_t size
        int kind

    cdef cppclass EncodeOptions:
        cbool add_special_tokens
        cbool truncate
        size_t max_length
        cbool with_spans
        int threads

    cdef cppclass TokenBatch:
        size_t tokens()
        int32_t longest()
        void write(int32_t* ids, int32_t* offsets, int32_t* lengths, int32_t* type_ids,
                   int32_t* spans)

    cdef cppclass CTokenizer "fastbert::Tokenizer":
        CTokenizer(const Pipeline& pipeline, const Template& single, const Template& pair) except +
        const Pipeline& pipeline()
        TokenBatch encode(TextSpan texts, TextSpan pairs, const EncodeOptions& options) except +


cdef string_view borrow_utf8(str text) except *:
    cdef Py_ssize_t size = 0
    cdef const char* data = PyUnicode_AsUTF8AndSize(text, &size)
    return string_view(data, <size_t>size)


cdef const uint8_t* bytes_of(cnp.ndarray values) except NULL:
    if cnp.PyArray_TYPE(values) != cnp.NPY_UINT8 or not cnp.PyArray_IS_C_CONTIGUOUS(values):
        raise TypeError("bytes for the tokenizer must be a contiguous array of uint8")
    return <const uint8_t*>cnp.PyArray_DATA(values)


cdef string copy_utf8(str text) except *:
    cdef Py_ssize_t size = 0
    cdef const char* data = PyUnicode_AsUTF8AndSize(text, &size)
    return string(data, <size_t>size)


cdef class Vocabulary:
    """Tokens and their ids, both ways."""

    cdef CVocabulary vocabulary

    @staticmethod
    def from_dict(dict tokens):
        """From a mapping of token to id."""
        cdef Vocabulary self = Vocabulary()
        for token, token_id in tokens.items():
            if type(token_id) is not int:
                raise ValueError(f"token {token!r} has id {token_id!r}, but an id is an integer")
            try:
                self.vocabulary.add(borrow_utf8(token), token_id)
            except UnicodeEncodeError:
                raise ValueError(f"token {token!r} holds a lone surrogate") from None
            except OverflowError:
                raise ValueError(
                    f"token {token!r} has id {token_id}, but ids are from 0 to 2147483647"
                ) from None
        self.vocabulary.finish()
        return self

    @staticmethod
    def from_lines(bytes text):
        """From the content of a vocab.txt: one token a line, the first has id 0."""
        cdef Vocabulary self = Vocabulary()
        self.vocabulary.add_lines(string_view(<const char*>text, <size_t>len(text)))
        self.vocabulary.finish()
        return self

    @staticmethod
    def from_records(cnp.ndarray records not None):
        """From what `records` has returned, as an array of uint8."""
        cdef Vocabulary self = Vocabulary()
        self.vocabulary.add_records(string_view(<const char*>bytes_of(records), records.nbytes))
        self.vocabulary.finish()
        return self

    def records(self):
        """All tokens and ids in one block of bytes."""
        return self.vocabulary.records()

    def __len__(self):
        return self.vocabulary.size()

    def token_to_id(self, str token not None):
        """The id of `token`, or None."""
        cdef int32_t found
        try:
            found = self.vocabulary.id(borrow_utf8(token))
        except UnicodeEncodeError:
            return None
        return None if found < 0 else found

    def id_to_token(self, token_id):
        """The token with the id `token_id`, or None."""
        if not 0 <= token_id <= MAX_INT32 or not self.vocabulary.contains_id(token_id):
            return None
        return to_str(self.vocabulary.token(token_id))


cdef vector[SpecialToken] make_special_tokens(list tokens) except *:
    cdef vector[SpecialToken] result
    cdef SpecialToken token
    for token_id, type_id in tokens:
        token.id = token_id
        token.type_id = type_id
        result.push_back(token)
    return result


cdef Template make_template(tuple fields) except *:
    cdef Template result
    prefix, middle, suffix, first_type_id, second_type_id = fields
    result.prefix = make_special_tokens(prefix)
    result.middle = make_special_tokens(middle)
    result.suffix = make_special_tokens(suffix)
    result.first_type_id = first_type_id
    result.second_type_id = second_type_id
    return result


cdef vector[AddedToken] make_added_tokens(list tokens) except *:
    cdef vector[AddedToken] result
    cdef AddedToken token
    for content, token_id, single_word, lstrip, rstrip, normalized in tokens:
        token.content = copy_utf8(content)
        token.id = token_id
        token.single_word = single_word
        token.lstrip = lstrip
        token.rstrip = rstrip
        token.normalized = normalized
        result.push_back(token)
    return result


cdef int borrow_text(str name, Py_ssize_t i, PyObject* item, vector[Text]& out) except -1:
    """Adds the storage of a str, which must outlive it, to `out`; it is `name`[i] to the caller."""
    cdef Text text
    if not PyUnicode_Check(<object>item):
        raise TypeError(f"{name}[{i}] is {type(<object>item).__name__}, but a text is a str")
    make_str_ready(item)
    if PyUnicode_GET_LENGTH(item) > MAX_INT32:  # spans are int32
        raise ValueError(
            f"{name}[{i}] has {PyUnicode_GET_LENGTH(item)} characters; "
            f"the most is {MAX_INT32}"
        )
    text.data = PyUnicode_DATA(item)
    text.size = <size_t>PyUnicode_GET_LENGTH(item)
    text.kind = PyUnicode_KIND(item)
    out.push_back(text)
    return 0


cdef int borrow_texts(str name, tuple texts, vector[Text]& out) except -1:
    """Fills `out` with the storage of each str of `texts`, which must outlive it."""
    cdef Py_ssize_t i
    out.reserve(<size_t>PyTuple_GET_SIZE(texts))
    for i in range(PyTuple_GET_SIZE(texts)):
        borrow_text(name, i, <PyObject*>PyTuple_GET_ITEM(texts, i), out)
    return 0


cdef size_t characters(const vector[Text]& texts) noexcept nogil:
    cdef size_t count = 0
    cdef size_t i
    for i in range(texts.size()):
        count += texts[i].size
    return count


cdef bint all_differ(tuple texts) except -1:
    """Whether these are str, no two of them equal."""
    for text in texts:
        if not PyUnicode_Check(text):
            return False
    return PyTuple_GET_SIZE(texts) == 1 or len(set(texts)) == PyTuple_GET_SIZE(texts)


cdef cnp.ndarray new_array(size_t rows):
    cdef cnp.npy_intp shape = <cnp.npy_intp>rows
    return cnp.PyArray_SimpleNew(1, &shape, cnp.NPY_INT32)


cdef cnp.ndarray new_matrix(size_t rows, size_t columns):
    cdef cnp.npy_intp[2] shape
    shape[0] = <cnp.npy_intp>rows
    shape[1] = <cnp.npy_intp>columns
    return cnp.PyArray_SimpleNew(2, shape, cnp.NPY_INT32)


cdef int32_t* data_of(cnp.ndarray values):
    return <int32_t*>cnp.PyArray_DATA(values)


cdef class WordPieceTokenizer:
    """A tokenizer: immutable once made, and safe to use from many threads."""

    cdef unique_ptr[CTokenizer] tokenizer
    cdef cnp.ndarray borrowed

    def __init__(
        self,
        Vocabulary vocabulary,
        *,
        cnp.ndarray tables=None,
        cbool clean_text,
        cbool handle_chinese_chars,
        cbool strip_accents,
        cbool lowercase,
        str unknown_token not None,
        str continuation_prefix not None,
        size_t max_word_chars,
        list added_tokens not None,
        cbool trim_added_spans,
        cbool keep_single_first_space,
        tuple single not None,
        tuple pair not None,
    ):
        cdef NormalizerOptions normalizer
        normalizer.clean_text = clean_text
        normalizer.handle_chinese_chars = handle_chinese_chars
        normalizer.strip_accents = strip_accents
        normalizer.lowercase = lowercase
        cdef WordPieceOptions wordpiece
        wordpiece.unknown_token = copy_utf8(unknown_token)
        wordpiece.continuation_prefix = copy_utf8(continuation_prefix)
        wordpiece.max_word_chars = max_word_chars
        cdef AddedSpanOptions added_spans
        added_spans.trim = trim_added_spans
        added_spans.keep_single_first = keep_single_first_space
        cdef unique_ptr[WordPiece] model
        if tables is None:
            if vocabulary is None:
                raise TypeError("a WordPieceTokenizer needs a vocabulary or tables")
            model.reset(new WordPiece(vocabulary.vocabulary, wordpiece))
        else:
            self.borrowed = tables
            model.reset(new WordPiece(ByteSpan(bytes_of(tables), tables.nbytes), wordpiece))
        cdef unique_ptr[Pipeline] pipeline
        pipeline.reset(
            new Pipeline(
                model.get()[0],
                normalizer,
                make_added_tokens(added_tokens),
                added_spans,
            )
        )
        self.tokenizer.reset(
            new CTokenizer(pipeline.get()[0], make_template(single), make_template(pair))
        )

    def tables(self):
        """What takes long to make from a vocabulary; another tokenizer can be made of it."""
        return self.tokenizer.get().pipeline().model().tables()

    def encode_batch(
        self,
        tuple texts not None,
        tuple pairs,
        cbool add_special_tokens,
        Py_ssize_t max_length,
        cbool return_spans,
        int threads,
    ):
        """Encodes a tuple of str; see fastbert.Tokenizer.encode_batch.

        `pairs` is None or as long as `texts`; a negative `max_length` does not truncate.

        Returns:
            ids, offsets, type_ids or None, spans or None, lengths.
        """
        cdef vector[Text] text_storage
        cdef vector[Text] pair_storage
        borrow_texts("texts", texts, text_storage)
        if pairs is not None:
            borrow_texts("pairs", pairs, pair_storage)
        cdef EncodeOptions options
        options.add_special_tokens = add_special_tokens
        options.truncate = max_length >= 0
        options.max_length = <size_t>max_length
        options.with_spans = return_spans
        options.threads = threads
        cdef TokenBatch batch
        self.run(text_storage, pair_storage, options, batch)
        cdef cnp.ndarray ids = new_array(batch.tokens())
        cdef cnp.ndarray offsets = new_array(text_storage.size() + 1)
        cdef cnp.ndarray lengths = new_array(text_storage.size())
        cdef cnp.ndarray type_ids = None
        cdef cnp.ndarray spans = None
        cdef int32_t* type_id_data = NULL
        cdef int32_t* span_data = NULL
        if pairs is not None:
            type_ids = new_array(batch.tokens())
            type_id_data = data_of(type_ids)
        if return_spans:
            spans = new_matrix(batch.tokens(), 2)
            span_data = data_of(spans)
        batch.write(data_of(ids), data_of(offsets), data_of(lengths), type_id_data, span_data)
        return ids, offsets, type_ids, spans, lengths

    def encode(self, str text not None):
        """The ids of one text, special tokens included."""
        cdef vector[Text] texts
        cdef vector[Text] pairs
        borrow_text("texts", 0, <PyObject*>text, texts)
        cdef EncodeOptions options
        options.add_special_tokens = True
        options.truncate = False
        options.with_spans = False
        options.threads = 1
        cdef TokenBatch batch
        self.run(texts, pairs, options, batch)
        cdef cnp.ndarray ids = new_array(batch.tokens())
        batch.write(data_of(ids), NULL, NULL, NULL, NULL)
        return ids

    def encode_few(self, object texts, size_t max_length, int threads):
        """Encodes a str, or a short list or tuple of str that all differ, and looks at it once.

        Returns:
            ids, offsets, and the tokens of the longest text before truncation; or None if `texts`
            is anything else.
        """
        cdef vector[Text] storage
        cdef vector[Text] pairs
        cdef tuple given  # nobody can change it meanwhile
        if PyUnicode_Check(texts):
            borrow_text("texts", 0, <PyObject*>texts, storage)
        elif PyList_Check(texts) or PyTuple_Check(texts):
            given = tuple(texts)
            if not 0 < PyTuple_GET_SIZE(given) <= SHORT_CALL_TEXTS or not all_differ(given):
                return None
            borrow_texts("texts", given, storage)
        else:
            return None
        cdef EncodeOptions options
        options.add_special_tokens = True
        options.truncate = True
        options.max_length = max_length
        options.with_spans = False
        options.threads = threads
        cdef TokenBatch batch
        self.run(storage, pairs, options, batch)
        cdef cnp.ndarray ids = new_array(batch.tokens())
        cdef cnp.ndarray offsets = new_array(storage.size() + 1)
        batch.write(data_of(ids), data_of(offsets), NULL, NULL, NULL)
        return ids, offsets, batch.longest()

    cdef int run(
        self, vector[Text]& texts, vector[Text]& pairs, EncodeOptions& options, TokenBatch& batch
    ) except -1:
        """Fills `batch`; without the GIL, unless it is a short call."""
        cdef TextSpan first = TextSpan(texts.data(), texts.size())
        cdef TextSpan second = TextSpan(pairs.data(), pairs.size())
        if characters(texts) + characters(pairs) <= SHORT_CALL_CHARS:
            batch = move(self.tokenizer.get().encode(first, second, options))
        else:
            with nogil:
                batch = move(self.tokenizer.get().encode(first, second, options))
        return 0
