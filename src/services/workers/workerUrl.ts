/**
 * Where a worker thread's file lies. From sources it is the `.ts` file beside the module that starts it; in a bundle,
 * whose folder is flat, it is `NAME.worker.js` beside the bundle.
 */
export const workerUrl = (name: string, from: string): URL =>
  new URL(from.endsWith(".ts") ? `./${name}.worker.ts` : `./${name}.worker.js`, from)
