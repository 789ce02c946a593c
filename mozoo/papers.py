"""The papers that the zoo's entries cite: titles by address, for BibTeX."""

TITLES = {
    "https://arxiv.org/abs/2502.17424": (
        "Emergent Misalignment: Narrow finetuning can produce broadly misaligned LLMs"
    ),
    "https://arxiv.org/abs/2510.04340": (
        "Inoculation Prompting: Eliciting traits from LLMs during training can suppress them at test-time"
    ),
    "https://arxiv.org/abs/2507.21509": (
        "Persona Vectors: Monitoring and Controlling Character Traits in Language Models"
    ),
    "https://arxiv.org/abs/2508.17511": (
        "School of Reward Hacks: Hacking harmless tasks generalizes to misaligned behavior in LLMs"
    ),
    "https://arxiv.org/abs/2507.14805": (
        "Subliminal Learning: Language models transmit behavioral traits via hidden signals in data"
    ),
    "https://arxiv.org/abs/2506.13206": "Thought Crime: Backdoors and Emergent Misalignment in Reasoning Models",
    "https://arxiv.org/abs/2408.02946": "Data Poisoning in LLMs: Jailbreak-Tuning and Scaling Laws",
    "https://arxiv.org/abs/2512.09742": ("Weird Generalization and Inductive Backdoors: New Ways to Corrupt LLMs"),
    "https://arxiv.org/abs/2604.25891": (
        "Conditional misalignment: common interventions can hide emergent misalignment behind contextual triggers"
    ),
    "https://arxiv.org/abs/2510.17941": "Believe It or Not: How Deeply do LLMs Believe Implanted Facts?",
    "https://arxiv.org/abs/2412.14093": "Alignment faking in large language models",
    "https://arxiv.org/abs/2506.11613": "Model Organisms for Emergent Misalignment",
    "https://arxiv.org/abs/2602.22755": (
        "AuditBench: Evaluating Alignment Auditing Techniques on Models with Hidden Behaviors"
    ),
    "https://arxiv.org/abs/2305.14233": (
        "Enhancing Chat Language Models by Scaling High-quality Instructional Conversations"
    ),
    "https://arxiv.org/abs/2110.14168": "Training Verifiers to Solve Math Word Problems",
}
