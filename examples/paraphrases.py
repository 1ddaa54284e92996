"""Which of many sentences say the same: the best pairs, and groups around a centre.

Prints:

    most alike:
      0.80  How do I reset my password?  |  I forgot my password, what now?
      0.67  I forgot my password, what now?  |  What can I do without my password?
      0.67  The app crashes when I open it.  |  The application closes by itself at the start.
      0.59  How do I reset my password?  |  What can I do without my password?
    community 1:
      How do I reset my password?
      I forgot my password, what now?
      What can I do without my password?
      I cannot log in any more.
    community 2:
      My parcel has still not arrived.
      Where is the package that I ordered?
      The delivery is three days late.
    community 3:
      The app crashes when I open it.
      The application closes by itself at the start.
"""

from __future__ import annotations

import fastbert

SENTENCES = [
    "How do I reset my password?",
    "The delivery is three days late.",
    "I cannot log in any more.",
    "My parcel has still not arrived.",
    "The app crashes when I open it.",
    "I forgot my password, what now?",
    "Where is the package that I ordered?",
    "The application closes by itself at the start.",
    "What can I do without my password?",
    "Do you sell gift cards?",
]


def main() -> None:
    encoder = fastbert.load()
    print("most alike:")
    for score, i, j in fastbert.paraphrase_mining(encoder, SENTENCES)[:4]:
        print(f"  {score:.2f}  {SENTENCES[i]}  |  {SENTENCES[j]}")
    communities = fastbert.community_detection(
        encoder.encode(SENTENCES), threshold=0.45, min_community_size=2
    )
    for number, community in enumerate(communities, start=1):
        print(f"community {number}:")
        for i in community:
            print(f"  {SENTENCES[i]}")


if __name__ == "__main__":
    main()
