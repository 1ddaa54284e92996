"""Find the answered questions that come nearest to a new one, in other words.

Prints:

    I forgot my login
      0.49  How do I change my password?
      0.45  How can I delete my account?
    these shoes do not fit, I want my money back
      0.29  Can I send an order back and get a refund?
      0.21  How do I contact customer support?
    can I pay by credit card
      0.45  Which payment methods do you accept?
      0.28  Can I send an order back and get a refund?
"""

from __future__ import annotations

import fastbert

FAQ = [
    "How do I change my password?",
    "How can I delete my account?",
    "Which payment methods do you accept?",
    "How long does delivery take?",
    "Can I send an order back and get a refund?",
    "Do you ship to other countries?",
    "How do I contact customer support?",
    "Where do I find my invoices?",
]
QUESTIONS = [
    "I forgot my login",
    "these shoes do not fit, I want my money back",
    "can I pay by credit card",
]


def main() -> None:
    encoder = fastbert.load()
    corpus = encoder.encode_document(FAQ)
    found = fastbert.semantic_search(encoder.encode_query(QUESTIONS), corpus, top_k=2)
    for question, hits in zip(QUESTIONS, found, strict=True):
        print(question)
        for hit in hits:
            print(f"  {hit['score']:.2f}  {FAQ[hit['corpus_id']]}")


if __name__ == "__main__":
    main()
