"""Search with vectors, then let a model that reads question and passage together decide.

Vectors find candidates among millions; a cross-encoder is slower and knows better. Needs a
cross-encoder, as a directory or as a name on the Hugging Face hub:

    python examples/reranking.py cross-encoder/ms-marco-MiniLM-L6-v2 "how do I get back in"
"""

import sys

import fastbert

PASSAGES = [
    "Reset your password on the sign-in page with the link 'forgotten password'.",
    "Invoices are sent by e-mail on the first day of each month.",
    "An account is locked after five wrong passwords, and opens again after an hour.",
    "Delete your account in the settings; this cannot be undone.",
    "Our offices are open from nine to five.",
    "Change the e-mail address of your account in your profile.",
]


def search(question: str, count: int) -> list[str]:
    """The passages nearest to a question, by their vectors."""
    encoder = fastbert.load()
    vectors = encoder.encode_document(PASSAGES)
    (hits,) = fastbert.semantic_search(encoder.encode_query(question), vectors, top_k=count)
    return [PASSAGES[hit["corpus_id"]] for hit in hits]


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: python examples/reranking.py MODEL QUESTION")
    _, model, question = sys.argv
    candidates = search(question, count=4)
    for answer in fastbert.CrossEncoder(model).rank(question, candidates, return_documents=True):
        print(f"{answer['score']:8.3f}  {answer['text']}")


if __name__ == "__main__":
    main()
