"""The two kinds of `Tokenizer`, and the files that describe them."""
