import { describe, expect, it } from 'vitest';
import type { AdminModels, ModelHealth } from '../api/types';
import { deviceName, meanBatch, modelActions, otherWarnings, providerName } from './models';

const model = (change: Partial<ModelHealth> = {}): ModelHealth => ({
  name: 'asr', task: 'asr', version: '1', summary: '', licence: 'MIT', size_bytes: 1, languages: [], duty: 'captions', default: true,
  installed: true, loaded: false, pinned: false, providers: [], problem: '', hint: '', waiting: 0, queued: 0, answered: 0, failed: 0,
  run_ms: 0, batches: 0, max_batch: 8, latency: null, load_ms: 0, ...change,
});
const health = (warnings: string[], gpu_warnings: string[]): AdminModels => ({
  models: [],
  health: {
    state: 'degraded', warnings, gpu_warnings, workers: [],
    queue: { waiting: 0, waiting_bytes: 0, in_flight: 0, sessions: 0, submitted: 0, answered: 0, expired: 0, repeated: 0, lost: 0, shed: {} },
  },
});

describe('warnings', () => {
  it('about an idle card stand apart', () => {
    expect(otherWarnings(health(['a card is idle', 'it hung'], ['a card is idle']))).toEqual(['it hung']);
  });
});

describe('a model', () => {
  it('has a mean batch once it ran', () => {
    expect(meanBatch(model())).toBeNull();
    expect(meanBatch(model({ batches: 4, answered: 9, failed: 1 }))).toBe(2.5);
  });

  it('can be loaded, unloaded and pinned where that means something', () => {
    expect(modelActions(model(), 'ready')).toEqual(['load', 'pin']);
    expect(modelActions(model({ loaded: true }), 'degraded')).toEqual(['unload', 'pin']);
    expect(modelActions(model({ loaded: true, pinned: true }), 'ready')).toEqual(['unpin']);
    expect(modelActions(model({ installed: false }), 'ready')).toEqual([]);
    expect(modelActions(model(), 'off')).toEqual([]);
  });
});

describe('names', () => {
  it('are as their makers write them', () => {
    expect(['cpu', 'cuda', 'tensorrt', 'npu'].map(deviceName)).toEqual(['CPU', 'CUDA', 'TensorRT', 'npu']);
    expect(['CPUExecutionProvider', 'Triton'].map(providerName)).toEqual(['CPU', 'Triton']);
  });
});
