// Errors that were handed to workflow code at an await point. Should one of them end up in a promise that nobody awaits
// (an async function that is called and left alone, or awaited only later), it is known whose it is.

const thrown = new WeakSet<object>()

export function markThrown(error: Error): Error {
  thrown.add(error)
  return error
}

/** Whether it is such an error, wraps one as its cause, or collects one. Never throws. */
export function comesFromWorkflow(reason: unknown, depth = 0): boolean {
  if (typeof reason !== 'object' || reason === null || depth > DEPTH_MAX) return false
  try {
    if (thrown.has(reason)) return true
    if ('cause' in reason && comesFromWorkflow(reason.cause, depth + 1)) return true
    if (!('errors' in reason) || !Array.isArray(reason.errors)) return false
    return reason.errors.some((one: unknown) => comesFromWorkflow(one, depth + 1))
  } catch {
    return false
  }
}

const DEPTH_MAX = 10
