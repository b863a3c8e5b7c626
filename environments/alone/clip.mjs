import assert from 'node:assert/strict';
import { ClipTextModel, ClipTokenizer, presets } from '@sd/clip';
import '@tensorflow/tfjs-backend-cpu';

const vocab = '{"a": 0, "t</w>": 1, "at</w>": 2, "<|startoftext|>": 3, "<|endoftext|>": 4}';
const tokenizer = ClipTokenizer.fromVocabAndMerges(vocab, 'a t</w>');
const ids = tokenizer.encodeAll(['At'], { maxLength: 5 });
assert.deepEqual(ids, [[3, 2, 4, 4, 4]]);
const small = { vocabSize: 5, hiddenSize: 8, intermediateSize: 16, numHiddenLayers: 1, numAttentionHeads: 2 };
const model = new ClipTextModel({ ...presets['clip-vit-large-patch14'], ...small });
assert.deepEqual(model.context(ids).shape, [1, 5, 8]);
