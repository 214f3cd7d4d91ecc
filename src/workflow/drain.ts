// Waiting until workflow code can go no further without an outcome. Between two outcomes the code is drained the
// same way live and on replay, so that promise races fall out the same.

let joinable: Promise<void> | undefined

/**
 * Resolves when the microtask queue has run empty after this call.
 * Node runs `nextTick` callbacks between drains of that queue; called from a macrotask the first tick would come
 * before the first microtask, hence the hop (tick, microtask, tick).
 * Whoever calls before the hop joins the drain under way: a lane's answer wakes hundreds of runs at once, and one
 * drain for all of them instead of one each saves a tenth of the node's CPU per workflow.
 */
export function drain(): Promise<void> {
  joinable ??= new Promise((resolve) => {
    process.nextTick(hop, resolve)
  })
  return joinable
}

function hop(resolve: () => void): void {
  joinable = undefined
  queueMicrotask(() => process.nextTick(resolve))
}
