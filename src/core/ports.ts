// What the engine needs from the outside world, as interfaces, so that tests can hold the clock.
// Only the adapters at the end of this file read the machine's clock, timers or randomness. They use what browsers have too.

export interface Clock {
  /** Milliseconds since the epoch; for display and for ids, never for a decision between nodes. */
  wallMs(): number
  /** Monotonic milliseconds; for time-outs and for ending trust in one's own lease early. */
  monotonicMs(): number
  /** Calls back once after `ms`; returns the cancel function. Never keeps the process alive by itself when `unref`. */
  after(ms: number, callback: () => void, options?: { readonly unref?: boolean }): () => void
}

export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

const DELAY_MAX_MS = 2_147_483_647

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(ms, callback, options) {
    let timer: NodeJS.Timeout
    // Node fires at once when a delay exceeds 2^31-1 ms, 25 days: longer ones are waited for in parts.
    const wait = (leftMs: number): void => {
      const partMs = Math.min(Math.max(leftMs, 0), DELAY_MAX_MS)
      timer = setTimeout(() => (leftMs > partMs ? wait(leftMs - partMs) : callback()), partMs)
      if (options?.unref === true) timer.unref()
    }
    wait(ms)
    return () => clearTimeout(timer)
  },
}

/** A number in [0, 1) for jitter. */
export function randomFraction(): number {
  return Math.random()
}

export function randomHex(bytes: number): string {
  const drawn = crypto.getRandomValues(new Uint8Array(bytes))
  return Array.from(drawn, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** Resolves after `ms`, or rejects with the signal's reason. */
export function delay(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason)
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    function onAbort(): void {
      cancel()
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
