/** What administrators are shown of models and workers; pure. Owns the reading of figures; refuses to know the page. */

import type { AdminModels, ModelAction, ModelHealth, WorkerHealth } from '../api/types';

/** How often the figures are asked for while somebody looks. */
export const REFRESH_MS = 2_000;

/** Warnings but those about an idle graphics card, which stand apart, and loud. */
export function otherWarnings({ health }: AdminModels): readonly string[] {
  return health.warnings.filter((warning) => !health.gpu_warnings.includes(warning));
}

/** Mean number of requests in a batch; null before the first. */
export function meanBatch(model: ModelHealth): number | null {
  return model.batches === 0 ? null : (model.answered + model.failed) / model.batches;
}

/** What can be done to a model now. */
export function modelActions(model: ModelHealth, state: AdminModels['health']['state']): readonly ModelAction[] {
  if (!model.installed || state === 'off' || state === 'no_models' || state === 'down') return [];
  const loading: ModelAction[] = model.pinned ? [] : [model.loaded ? 'unload' : 'load'];
  return [...loading, model.pinned ? 'unpin' : 'pin'];
}

const DEVICES: Readonly<Record<string, string>> = { cpu: 'CPU', cuda: 'CUDA', tensorrt: 'TensorRT' };

/** As the makers write it. */
export function deviceName(device: string): string {
  return DEVICES[device] ?? device;
}

/** "CUDAExecutionProvider" → "CUDA". */
export function providerName(provider: string): string {
  return provider.replace(/ExecutionProvider$/, '');
}

/** A worker whose figures are known. */
export function hasAnswered(worker: WorkerHealth): boolean {
  return worker.device !== '';
}
