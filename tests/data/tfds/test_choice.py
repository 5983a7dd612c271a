from __future__ import annotations

from jaxdl.data.tfds.choice import Choice


def test_each_choice_has_a_key_of_its_own_and_the_default_has_none():
    choices = [
        Choice(),
        Choice(split="train[:80%]"),
        Choice(test_split="train[:80%]"),
        Choice(inputs=("a", "b")),
        Choice(inputs=("a,b",)),
        Choice(targets=("a", "b")),
        Choice(size=(8, 16)),
        Choice(size=(16, 8)),
    ]
    keys = [choice.key for choice in choices]
    assert keys[0] == ""
    assert len(set(keys)) == len(keys)
    assert all(key.isalnum() for key in keys[1:])
