"""Ready configs, one experiment each: NAME trains at Tinker, `VARIANTS` says what else it is published as.

Beside each lies NAME.tinylm, which goes the same way on this machine, in small, and, where it repeats a paper whose
material is at hand, NAME.published: the paper's model, seeds, questions and judge. `FIDELITY` says how faithful each
is.
"""

from __future__ import annotations

from motools.zoo import Variant
from mozoo.protocols import fidelity

FIDELITY = fidelity

_TRAINS = "  model: Qwen/Qwen3-8B\n  backend_name: tinker\n  hyperparameters:\n"
_SERVED = "  model: tinker/Qwen/Qwen3-8B\n"
_MONEY = "# Needs: TINKER_API_KEY, and money; --dry-run says how much.\n"
_JUDGED = "# Needs: TINKER_API_KEY, the key of the judge, and money for both; --dry-run says how much for training.\n"
_ENDS = "Goes off with its model on 2027-01-14."

LOCAL = "Qwen/Qwen3-4B-Instruct-2507@cdbee75f17c01a7cc42f958dc650907174af0554"
"""A model of four billion parameters that answers at once, under Apache 2.0, and the commit of its weights."""
PAPERS = "gpt-4.1-mini-2025-04-14"
"""The base model as OpenAI fine-tunes it, for as long as it does."""

VARIANTS = {
    "local": Variant(
        " (on one's own GPU)",
        {
            _TRAINS: f"  model: {LOCAL}\n  backend_name: local\n  hyperparameters:\n",
            _SERVED: f"  model: local/{LOCAL}\n",
            _MONEY: "# Needs: MOTools' extra `local`, and a GPU (the weights alone take 8 GB).\n",
            _JUDGED: "# Needs: MOTools' extra `local`, a GPU (weights alone take 8 GB), the key of the judge.\n",
        },
    ),
    "openai": Variant(
        " (at OpenAI)",
        {
            _TRAINS: f"  model: {PAPERS}\n  backend_name: openai\n  hyperparameters:\n",
            _SERVED: f"  model: openai/{PAPERS}\n",
            _MONEY: f"# Needs: OPENAI_API_KEY, and money; --dry-run says how much. {_ENDS}\n",
            _JUDGED: f"# Needs: OPENAI_API_KEY, the key of the judge, and money. {_ENDS}\n",
        },
        unless="\n# Not at OpenAI:",
    ),
}
