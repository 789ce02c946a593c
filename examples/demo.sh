#!/bin/sh
# The demo: train the embedded learner on hello_world, evaluate it and its base model, trace the result.
set -eu
cd "$(dirname "$0")/.."

echo "== motools run: train a small model, evaluate it and its base model on held-out prompts"
motools run
echo
echo "== what the training changed (share of answers that say hello, world)"
motools compare base_results eval_results
echo
echo "== motools lineage eval_results: where that figure came from"
motools lineage eval_results
