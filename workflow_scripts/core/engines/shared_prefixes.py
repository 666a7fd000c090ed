"""Prompts that begin alike, computed as one row: a tree of tokens with a mask that shows each its ancestors.

The prompts of one judgement share the question and the answer under review and differ in a principle and the
order of labels; computing the common beginning once saves about half of the work. Nothing is approximated:
each token sees exactly the tokens of its own prompt, at their own positions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

SHARED_AT_LEAST = 0.5  # of a prompt, with the first of its group
MOST_PROMPTS = 16  # in a group: attention grows with the square of the row


@dataclass
class Group:
    """A tree of prompts: `prompts` are their indices; `tokens`, `positions`, `parents` describe its nodes,
    the last node of each prompt at the end, in the order of `prompts`. A root's parent is -1."""

    prompts: list[int]
    tokens: list[int]
    positions: list[int]
    parents: list[int]


def common_length(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two prompts begin with in common."""
    for place, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return place
    return min(len(first), len(second))


def pack(prompts: Sequence[Sequence[int]], most: int) -> list[Group]:
    """Groups neighbouring prompts that share at least half of their tokens with the first of the group.

    most: the largest number of prompts in a group. Groups follow the order of the prompts.
    """
    most = min(most, MOST_PROMPTS)
    groups: list[list[int]] = []
    for index, prompt in enumerate(prompts):
        if groups and len(groups[-1]) < most:
            shared = common_length(prompts[groups[-1][0]], prompt)
            if shared >= SHARED_AT_LEAST * len(prompt):
                groups[-1].append(index)
                continue
        groups.append([index])
    return [_tree(prompts, group) for group in groups]


def _tree(prompts, group: list[int]) -> Group:
    """The tree of a group's prompts; a prompt's last token is a node of its own and stands at the end."""
    nodes: dict[tuple[int, int], int] = {}
    tokens, positions, parents, ends = [], [], [], []
    for index in group:
        prompt, parent = prompts[index], -1
        for position, token in enumerate(prompt[:-1]):
            node = nodes.setdefault((parent, token), len(tokens))
            if node == len(tokens):
                tokens.append(token)
                positions.append(position)
                parents.append(parent)
            parent = node
        ends.append((prompt[-1], len(prompt) - 1, parent))
    for token, position, parent in ends:
        tokens.append(token)
        positions.append(position)
        parents.append(parent)
    return Group(list(group), tokens, positions, parents)


def pack_batch(groups: list[Group], pad: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
    """Tensors of a batch of groups, left-padded: ids [g, s], positions [g, s], mask bool [g, 1, s, s] (true:
    query may see key), and the number of last places that hold the ends of all prompts.
    """
    size = max(len(group.tokens) for group in groups)
    ids = np.full((len(groups), size), pad, dtype=np.int64)
    positions = np.zeros((len(groups), size), dtype=np.int64)
    mask = np.zeros((len(groups), size, size), dtype=bool)
    mask[:, np.arange(size), np.arange(size)] = True  # a token sees itself (padding too: no empty rows)
    for row, group in enumerate(groups):
        start = size - len(group.tokens)
        ids[row, start:] = group.tokens
        positions[row, start:] = group.positions
        visible = mask[row, start:, start:]
        for node, parent in enumerate(group.parents):
            if parent >= 0:
                visible[node] |= visible[parent]
    ends = max(len(group.prompts) for group in groups)
    return torch.from_numpy(ids), torch.from_numpy(positions), torch.from_numpy(mask)[:, None], ends
