"""Time, memory and recall of deduplication on synthetic short records, and a comparison with another library.

    python -m benchmarks.deduplication [--records 1000000]

Everything but the times is a function of the seed. A record is one of a few hundred openings, as instructions
have, and made-up words in Zipf's proportions. One in twenty is an earlier one in other case, spacing or
punctuation, one in twenty an earlier one with a letter changed.
"""

import argparse
import resource
import sys
import time

import numpy as np
import scipy.sparse
from datasketch import MinHash, MinHashLSH

from workflow_scripts.core.deduplication import exact, near

SEED = 1
VOCABULARY = 20_000
OPENINGS = 300  # of three to five words, used in Zipf's proportions, too
WORDS = (4, 12)  # fewest and most words after the opening
INJECTED = 0.05  # share of records that repeat an earlier one, of either kind
RECALL_RECORDS = 200_000
RECALL_QUERIES = 2_000
LIBRARY_RECORDS = 20_000


def made_up_words(rng: np.random.Generator) -> np.ndarray:
    """Words of 2 to 10 letters, longer ones rarer in use."""
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    lengths = np.sort(rng.integers(2, 11, VOCABULARY))
    return np.array(["".join(rng.choice(letters, length)) for length in lengths], dtype=object)


def lines(rng: np.random.Generator, words: np.ndarray, least: int, most: int, count: int) -> list[str]:
    """Lines of so many of the words, each word drawn in proportion to 1 / its rank (from the tenth on)."""
    weights = 1 / np.arange(10, len(words) + 10)
    lengths = rng.integers(least, most + 1, count)
    drawn = words[rng.choice(len(words), lengths.sum(), p=weights / weights.sum())]
    return [" ".join(part) for part in np.split(drawn, np.cumsum(lengths)[:-1])]


def synthetic_records(count: int) -> tuple[list[str], np.ndarray]:
    """Texts, and for each what it is: "new", "exact" (a repetition of an earlier one) or "near"."""
    rng = np.random.default_rng(SEED)
    words = made_up_words(rng)
    openings = np.array(lines(rng, words, 3, 5, OPENINGS), dtype=object)
    begun = lines(rng, openings, 1, 1, count)
    ended = lines(rng, words, *WORDS, count)
    kinds = rng.choice(["new", "exact", "near"], count, p=[1 - 2 * INJECTED, INJECTED, INJECTED])
    kinds[:100] = "new"
    texts = []
    for position, kind in enumerate(kinds):
        if kind == "new":
            texts.append(f"{begun[position]} {ended[position]}.")
        else:
            earlier = texts[rng.integers(0, position)]
            texts.append(repeated(earlier, rng) if kind == "exact" else changed(earlier, rng))
    return texts, kinds


def repeated(text: str, rng: np.random.Generator) -> str:
    """The same text but for case, spaces and the last character."""
    return text.replace(" ", "  ", 1).upper() if rng.random() < 0.5 else text.removesuffix(".") + "!"


def changed(text: str, rng: np.random.Generator) -> str:
    """The text with one of its characters replaced."""
    place = rng.integers(len(text))
    return f"{text[:place]}{'xyz'[rng.integers(3)]}{text[place + 1 :]}"


def incidence(texts: list[str], columns: dict[str, int], characters: int) -> scipy.sparse.csr_array:
    """Which n-grams each text has, as a matrix of zeros and ones; new n-grams get new columns."""
    grams = [sorted(near.shingles(text, characters)) for text in texts]
    indices = [columns.setdefault(gram, len(columns)) for row in grams for gram in row]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in grams])])
    ones = np.ones(len(indices), dtype=np.float32)
    return scipy.sparse.csr_array((ones, indices, starts), shape=(len(texts), len(columns)))


def pairs_by_brute_force(
    queries: list[str], texts: list[str], parameters: near.NearParameters
) -> set[tuple[int, int]]:
    """(query, text) of every pair whose Jaccard similarity reaches the threshold, from all pairs."""
    columns = {}
    known = incidence(texts, columns, parameters.characters)
    asked = incidence(queries, columns, parameters.characters)
    known.resize(known.shape[0], len(columns))
    shared = (asked @ known.T).tocoo()
    sizes = asked.sum(axis=1)[shared.row] + known.sum(axis=1)[shared.col] - shared.data
    near_enough = shared.data / sizes >= parameters.threshold
    return set(zip(shared.row[near_enough].tolist(), shared.col[near_enough].tolist(), strict=True))


def measure_recall(texts: list[str], kinds: np.ndarray, parameters: near.NearParameters) -> tuple[int, int]:
    """(pairs found, pairs there are) between injected near duplicates and all texts of a sample."""
    positions = exact.first_positions(texts)[:RECALL_RECORDS]
    injected = [place for place, position in enumerate(positions) if kinds[position] == "near"]
    queries = injected[-RECALL_QUERIES:]
    signed = list(near.sign([texts[position] for position in positions], parameters))
    index = near.NearIndex(parameters)
    for place, text in enumerate(signed):
        index.add(place, text)
    found = {
        (query, match.position)
        for query, place in enumerate(queries)
        for match in index.near(signed[place])
        if match.position != place
    }
    normalised = [text.text for text in signed]
    pairs = pairs_by_brute_force([normalised[place] for place in queries], normalised, parameters)
    there = {(query, place) for query, place in pairs if place != queries[query]}
    assert found <= there  # what is reported is always near
    return len(found), len(there)


def candidates_per_record(texts: list[str], permutations: int) -> float:
    """Earlier texts that are looked at for each text, on average."""
    parameters = near.NearParameters(permutations=permutations)
    index, count = near.NearIndex(parameters), 0
    for position, text in enumerate(near.sign(texts, parameters)):
        count += len(index.candidates(text))
        index.add(position, text)
    return count / len(texts)


def datasketch_repeats(texts: list[str], parameters: near.NearParameters) -> int:
    """Near duplicates of an earlier text by the other library: same n-grams, bands and verification."""
    bands = near.bands_for(parameters.threshold, parameters.permutations)
    index = MinHashLSH(num_perm=parameters.permutations, params=(bands, parameters.permutations // bands))
    known, found = {}, 0
    for position, text in enumerate(map(exact.normalise, texts)):
        grams = near.shingles(text, parameters.characters)
        signature = MinHash(num_perm=parameters.permutations, seed=SEED)
        signature.update_batch([gram.encode() for gram in grams])
        candidates = (near.jaccard(grams, known[other]) for other in index.query(signature))
        if any(similarity >= parameters.threshold for similarity in candidates):
            found += 1
        else:
            known[position] = grams
            index.insert(position, signature, check_duplication=False)
    return found


def timed(work) -> tuple[str, float, object]:
    """The time that a call took, in words, its seconds of processor time, and what it gave."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return f"{wall:.1f} s, {processor:.1f} s of processor time", processor, result


def main() -> None:
    """Prints the figures, one per line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=1_000_000, help="records to deduplicate")
    count = parser.parse_args().records
    parameters = near.NearParameters()
    texts, kinds = synthetic_records(count)
    print(f"records: {count}")

    took, _, same = timed(lambda: exact.repeats(texts))
    print(f"exact duplicates: {took}")
    injected = np.flatnonzero(kinds == "exact")
    recall = np.mean([position in same for position in injected])
    print(f"exact duplicates: recall {recall:.6f} of {len(injected)} injected")

    rest = [text for position, text in enumerate(texts) if position not in same]
    took, _, alike = timed(lambda: near.repeats(near.sign(rest, parameters), parameters))
    print(f"near duplicates: {took}, {len(alike)} of {len(rest)} found")
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    print(f"peak memory of both: {peak / 2**30:.1f} GiB")

    found, there = measure_recall(texts, kinds, parameters)
    print(f"near duplicates: recall {found / there:.6f} of {there} pairs at {parameters.threshold} or above")

    part = rest[:LIBRARY_RECORDS]
    for permutations in (128, parameters.permutations):
        candidates = candidates_per_record(part, permutations)
        print(f"{len(part)} records, {permutations} permutations: {candidates:.2f} candidates per record")
    took, ours, alike = timed(lambda: near.repeats(near.sign(part, parameters), parameters))
    print(f"{len(part)} records with rensa: {took}, {len(alike)} found")
    took, theirs, number = timed(lambda: datasketch_repeats(part, parameters))
    print(f"{len(part)} records with datasketch: {took}, {number} found")
    print(f"datasketch / rensa, processor time: {theirs / ours:.1f}")


if __name__ == "__main__":
    main()
