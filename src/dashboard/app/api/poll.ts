// A read that stays fresh: asked again every so often while the page is seen, at once when it is seen again, and less
// often while it fails. What was read last stays shown; an answer that says the same changes nothing.

import { useEffect, useRef, useState } from 'preact/hooks'
import { after } from '../clock.js'
import { ApiError, get } from './request.js'

export interface Polled<T> {
  /** Undefined until the first answer for this path. */
  readonly data: T | undefined
  /** What was read last, also for the path before: to be shown, as old, until the answer is there. */
  readonly last: T | undefined
  /** Of the last try. */
  readonly error: ApiError | undefined
  readonly isLoading: boolean
  /** Asks at once, e.g. after a change. */
  readonly refresh: () => void
}

interface Seen<T> {
  readonly path: string | undefined
  readonly text: string
  readonly data: T | undefined
  readonly error: ApiError | undefined
}

const NOTHING = { path: undefined, text: '', data: undefined, error: undefined }
const FAILING_MS_MAX = 15_000

/** `path` undefined: nothing is asked. `everyMs` 0: asked once. */
export function usePoll<T>(path: string | undefined, everyMs = 2_000): Polled<T> {
  const [seen, setSeen] = useState<Seen<T>>(NOTHING)
  const ask = useRef<() => void>(() => undefined)

  useEffect(() => {
    if (path === undefined) return
    const stop = new AbortController()
    let cancelTimer = (): void => undefined
    let isAsking = false
    let failures = 0

    const read = async (): Promise<void> => {
      cancelTimer()
      if (isAsking || stop.signal.aborted) return
      isAsking = true
      try {
        const data = await get<T>(path, stop.signal)
        failures = 0
        const text = JSON.stringify(data)
        setSeen((last) =>
          last.path === path && last.text === text && last.error === undefined
            ? last
            : { path, text, data, error: undefined },
        )
      } catch (error) {
        if (stop.signal.aborted) return
        failures += 1
        const known = error instanceof ApiError ? error : new ApiError(0, 'UNEXPECTED', String(error))
        setSeen((last) =>
          last.path === path ? { ...last, error: known } : { ...NOTHING, path, error: known },
        )
      } finally {
        isAsking = false
        plan()
      }
    }
    const plan = (): void => {
      if (stop.signal.aborted || everyMs === 0 || document.visibilityState !== 'visible') return
      cancelTimer = after(
        Math.min(everyMs * 2 ** Math.min(failures, 5), Math.max(everyMs, FAILING_MS_MAX)),
        () => void read(),
      )
    }
    const onVisible = (): void => {
      if (document.visibilityState === 'visible') void read()
    }
    ask.current = () => void read()
    document.addEventListener('visibilitychange', onVisible)
    void read()
    return () => {
      stop.abort()
      cancelTimer()
      document.removeEventListener('visibilitychange', onVisible)
    }
  }, [path, everyMs])

  const isCurrent = seen.path === path
  return {
    data: isCurrent ? seen.data : undefined,
    last: seen.data,
    error: isCurrent ? seen.error : undefined,
    isLoading: path !== undefined && !isCurrent,
    refresh: () => ask.current(),
  }
}
