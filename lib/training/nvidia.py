"""NVIDIA cards that this process may use, from the driver's library (NVML), which knows all of them.

`CUDA_VISIBLE_DEVICES` hides cards from CUDA but not from NVML. Imports no torch.
"""

from __future__ import annotations

import os
from typing import Any

import pynvml


def visible_cards() -> list[Any]:
    """NVML's handles of the cards that CUDA shows this process, in CUDA's order; the first is trained on.

    Numbers mean the same to both because `lib.training.devices` orders CUDA's cards as NVML does.

    Raises:
        pynvml.NVMLError: no driver, or no permission.
    """
    pynvml.nvmlInit()
    cards = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return cards
    found: list[Any] = []
    for word in named.split(","):
        card = _card(cards, word.strip())
        if card is None:  # CUDA, too, ignores what comes after a card that is not there
            break
        found.append(card)
    return found


def card_name(card: Any) -> str:
    """For example ``NVIDIA H100 80GB HBM3``."""
    name = pynvml.nvmlDeviceGetName(card)
    return name.decode() if isinstance(name, bytes) else str(name)


def _card(cards: list[Any], word: str) -> Any | None:
    """A card by its number, its UUID or the beginning of that, or a part of a card (MIG) by its UUID."""
    if word.isdigit():
        return cards[int(word)] if int(word) < len(cards) else None
    if word.startswith("GPU-"):
        return next((card for card in cards if _uuid(card).startswith(word)), None)
    if word.startswith("MIG-"):
        try:
            return pynvml.nvmlDeviceGetHandleByUUID(word)
        except pynvml.NVMLError:
            return None
    return None


def _uuid(card: Any) -> str:
    uuid = pynvml.nvmlDeviceGetUUID(card)
    return uuid.decode() if isinstance(uuid, bytes) else str(uuid)
