"""The maker of the demo speech model: hotline sentences, read by espeak-ng, become a Kaldi model that vosk loads.

A developer's tool with packages of its own (`requirements.txt`, `make model`); nothing else of ours imports it. What
it makes has only ever heard a synthesiser and is **for demo and tests only**: see docs/speech-model.md.

In the order of the work: `names` and `sentences` (what is said; `corpus/`), `segmenter` and `lexicon` (words and
phones), `voices` and `telephone` (speech and what a line does to it), `features` (MFCC and frame labels), `examples`
(all that in parallel), `network` and `training` (PyTorch), `kaldi_io` (am/final.mdl), `language` and `graph`
(graph/HCLG.fst), `model_folder` (the rest), `heldout` and `evaluate` (is it any good).
torch, scipy, kaldifst, kaldi_native_fbank and jieba are imported inside the functions that need them, so everything
else is tested without them.
"""
