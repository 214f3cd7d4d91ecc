// Waiting until workflow code can go no further without an outcome. Between two outcomes the code is drained the
// same way live and on replay, so that promise races fall out the same.

/**
 * Resolves when the microtask queue has run empty.
 * Node runs `nextTick` callbacks between drains of that queue; called from a macrotask the first tick would come
 * before the first microtask, hence the hop (tick, microtask, tick).
 */
export function drain(): Promise<void> {
  return new Promise((resolve) => {
    process.nextTick(hop, resolve)
  })
}

function hop(resolve: () => void): void {
  queueMicrotask(() => process.nextTick(resolve))
}
