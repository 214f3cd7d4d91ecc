// Waiting until workflow code can go no further without an outcome. Between two outcomes the code is drained the
// same way live and on replay, so that promise races fall out the same.

let joinable: (() => void)[] | undefined

/**
 * Calls back when the microtask queue has run empty after this call; what is called back must not throw.
 * Node runs `nextTick` callbacks between drains of that queue; called from a macrotask the first tick would come
 * before the first microtask, hence the hop (tick, microtask, tick).
 * Whoever asks before the hop joins the drain under way: a lane's answer wakes hundreds of runs at once, and one
 * drain for all of them instead of one each saves a tenth of the node's CPU per workflow.
 */
export function onceDrained(callback: () => void): void {
  if (joinable === undefined) {
    joinable = []
    process.nextTick(hop, joinable)
  }
  joinable.push(callback)
}

/** The same as a promise. */
export function drain(): Promise<void> {
  return new Promise(onceDrained)
}

function hop(callbacks: readonly (() => void)[]): void {
  joinable = undefined
  queueMicrotask(() => process.nextTick(callAll, callbacks))
}

function callAll(callbacks: readonly (() => void)[]): void {
  for (const callback of callbacks) callback()
}
