"""Classify texts with a light head on the vectors of BERT; needs `pip install ".[sklearn]"`.

Prints:

    learnt from 24 sentences, accuracy 0.88 on 8 others
         food  I burnt the rice
        sport  two goals in the first half
       travel  where is platform nine
"""

from __future__ import annotations

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from fastbert.sklearn import FastBertVectorizer

SENTENCES = {
    "food": """
        The soup was cold and far too salty. They bake their own bread every morning. Add two
        eggs and a cup of flour to the bowl. The best noodles in town are at this small place.
        I would never order the fish there again. Let the sauce simmer until it thickens. Our
        waiter recommended the grilled vegetables. She made pancakes with honey for breakfast.""",
    "sport": """
        The home team won in the last minute. He ran the marathon in under three hours. Her
        serve decided the second set. The striker missed two penalties in a row. They trained
        all winter for the championship. The referee showed him a red card. A new world record
        in the long jump. The coach was happy with the defence.""",
    "travel": """
        Our flight to Lisbon was delayed by a storm. The hotel room had a view of the harbour.
        You need a visa to enter the country. We took the night train across the mountains.
        The old town is full of narrow streets and museums. My suitcase did not arrive with
        the plane. They hired a car and drove along the coast. The guide showed us the ruins
        of the temple.""",
    "computers": """
        The update broke my graphics driver. This function returns a list of integers. My
        laptop does not start after I spilt tea on it. The database was down for twenty
        minutes. He compiled the kernel from source. Please restart the router and try again.
        The new phone has twice as much memory. The program crashes when the file is empty.""",
}


def main() -> None:
    texts_of = {k: " ".join(text.split()).rstrip(".").split(". ") for k, text in SENTENCES.items()}
    pairs = [(text, label) for label, texts in texts_of.items() for text in texts]
    texts, labels = zip(*pairs, strict=True)
    train, test, train_labels, test_labels = train_test_split(
        texts, labels, test_size=0.25, stratify=labels, random_state=0
    )
    model = make_pipeline(FastBertVectorizer(), LogisticRegression(C=10)).fit(train, train_labels)
    accuracy = model.score(test, test_labels)
    print(f"learnt from {len(train)} sentences, accuracy {accuracy:.2f} on {len(test)} others")
    for text in ("I burnt the rice", "two goals in the first half", "where is platform nine"):
        print(f"{model.predict([text])[0]:>9}  {text}")


if __name__ == "__main__":
    main()
