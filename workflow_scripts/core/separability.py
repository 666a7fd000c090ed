"""Whether a bag of words can tell chosen from rejected: a pair set that it can tell apart teaches style.

Words alone, without their order and without the instruction, know little of which answer is right. What
they know is style: an opening, a phrase, a full stop, capitals.
"""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix, hstack, vstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from workflow_scripts.core.metrics import rate
from workflow_scripts.core.progress import counted

FOLDS = 5
TELLING_WORDS = 8
TIE = 1e-9
WORDS = re.compile(r"\w+|[^\w\s]")


def words_of(text: str) -> list[str]:
    """Words and punctuation marks as they are written."""
    return WORDS.findall(text)


def edges_of(text: str) -> list[str]:
    """The first and the last word of a text, as `^first` and `last$`."""
    words = words_of(text) or [""]
    return [f"^{words[0]}", f"{words[-1]}$"]


def _bags(texts: Sequence[str]) -> tuple[csr_matrix, np.ndarray]:
    """Counts of words, and of first and last words, either of unit Euclidean length; and their names.

    Of unit length, so that the length of a text itself tells nothing.
    """
    blocks, names = [], []
    for analyzer in (edges_of, words_of):
        vectorizer = TfidfVectorizer(analyzer=analyzer, use_idf=False, norm="l2")
        if any(analyzer(text) for text in texts):
            blocks.append(vectorizer.fit_transform(texts))
            names.append(vectorizer.get_feature_names_out())
    return hstack(blocks, format="csr"), np.concatenate(names)


def _fit_texts(chosen: csr_matrix, rejected: csr_matrix) -> np.ndarray:
    """Weights of a logistic regression that sees one text at a time."""
    labels = np.repeat([1, 0], [chosen.shape[0], rejected.shape[0]])
    return LogisticRegression(max_iter=1000).fit(vstack([chosen, rejected]), labels).coef_[0]


def _fit_differences(chosen: csr_matrix, rejected: csr_matrix) -> np.ndarray:
    """Weights of a linear reward in the model of Bradley and Terry (1952), which DPO too assumes."""
    differences = chosen - rejected
    labels = np.repeat([1, 0], differences.shape[0])
    model = LogisticRegression(fit_intercept=False, max_iter=1000)
    return model.fit(vstack([differences, -differences]), labels).coef_[0]


def accuracy(scores: np.ndarray, confidence: float) -> dict:
    """The share of pairs with a positive score as a metric with Wilson's interval; a tie counts half."""
    return rate(float((scores > TIE).sum() + 0.5 * (np.abs(scores) <= TIE).sum()), len(scores), confidence)


def separability(pairs: Sequence[dict], confidence: float) -> dict:
    """{"metrics": {words_accuracy, words_difference_accuracy}, "telling_words": [...]} of a pair set.

    Both are shares of pairs in which the chosen text gets the higher score from weights that were fitted to
    other instructions (five folds by instruction): 0.5 says that words tell nothing, 1 that they tell all.
    `words_accuracy` is of a model that learnt from single texts, `words_difference_accuracy` of one that
    learnt from differences. Null with fewer than two instructions. Wilson's interval takes the pairs as
    independent, which folds that share their training data are only nearly.
    """
    pairs = sorted(pairs, key=lambda pair: (pair["instruction_id"], pair["record_id"]))
    groups = np.array([pair["instruction_id"] for pair in pairs])
    names = ("words_accuracy", "words_difference_accuracy")
    if len(set(groups)) < 2:
        unknown = {"value": None, "low": None, "high": None, "n": len(pairs)}
        return {"metrics": dict.fromkeys(names, unknown), "telling_words": []}
    n = len(pairs)
    bags, words = _bags([pair["chosen"] for pair in pairs] + [pair["rejected"] for pair in pairs])
    chosen, rejected = bags[:n], bags[n:]
    scores = np.zeros((2, n))
    folds = list(GroupKFold(min(FOLDS, len(set(groups)))).split(groups, groups=groups))
    for train, test in counted(folds, len(folds), "folds", "what words tell"):
        for place, fit in enumerate((_fit_texts, _fit_differences)):
            weights = fit(chosen[train], rejected[train])
            scores[place, test] = (chosen[test] - rejected[test]) @ weights
    return {
        "metrics": dict(zip(names, (accuracy(row, confidence) for row in scores), strict=True)),
        "telling_words": _telling_words(pairs, words, _fit_differences(chosen, rejected)),
    }


def _telling_words(pairs: Sequence[dict], words: np.ndarray, weights: np.ndarray) -> list[dict]:
    """The words of largest weight for either side, with the share of texts of each side that hold them."""
    held = {
        side: Counter(word for pair in pairs for word in {*words_of(pair[side]), *edges_of(pair[side])})
        for side in ("chosen", "rejected")
    }
    order = sorted(range(len(words)), key=lambda place: (-weights[place], words[place]))
    shown = []
    for side, places in (("chosen", order[:TELLING_WORDS]), ("rejected", order[::-1][:TELLING_WORDS])):
        shown += [
            {
                "side": side,
                "word": words[place],
                "weight": round(float(weights[place]), 3),
                **{f"{name}_share": counts[words[place]] / len(pairs) for name, counts in held.items()},
            }
            for place in places
        ]
    return shown
