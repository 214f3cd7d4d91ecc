// The history of one execution as it grows: read page by page, then only what is new, as long as it is open. Bounded:
// beyond that many events more are read when asked for.

import { useEffect, useState } from 'preact/hooks'
import { ApiError, get } from '../api/request.js'
import type { Recorded } from '../api/types.js'
import { after } from '../clock.js'

export interface History {
  readonly events: readonly Recorded[]
  readonly isComplete: boolean
  readonly error: ApiError | undefined
  readonly more: () => void
}

const PAGE = 1_000
const EVENTS_STEP = 3_000
const POLL_MS = 2_000

interface Page {
  readonly events: readonly Recorded[]
  readonly next?: number
}

export function useHistory(executionId: string, isLive: boolean): History {
  const [events, setEvents] = useState<readonly Recorded[]>([])
  const [isComplete, setIsComplete] = useState(false)
  const [error, setError] = useState<ApiError | undefined>()
  const [limit, setLimit] = useState(EVENTS_STEP)

  useEffect(() => {
    const stop = new AbortController()
    let cancelTimer = (): void => undefined
    let known = [...events]
    const read = async (): Promise<void> => {
      cancelTimer()
      try {
        let next: number | undefined = known.at(-1)?.version ?? 0
        while (next !== undefined && known.length < limit) {
          const path: string = `/executions/${encodeURIComponent(executionId)}/history?after=${next}&limit=${PAGE}`
          const page: Page = await get<Page>(path, stop.signal)
          if (page.events.length > 0) known = [...known, ...page.events]
          next = page.next
        }
        setEvents((last) => (last.length === known.length ? last : known))
        setIsComplete(next === undefined)
        setError(undefined)
      } catch (reason) {
        if (stop.signal.aborted) return
        setError(reason instanceof ApiError ? reason : new ApiError(0, 'UNEXPECTED', String(reason)))
      }
      if (isLive && !stop.signal.aborted && document.visibilityState === 'visible') {
        cancelTimer = after(POLL_MS, () => void read())
      }
    }
    const onVisible = (): void => {
      if (document.visibilityState === 'visible') void read()
    }
    document.addEventListener('visibilitychange', onVisible)
    void read()
    return () => {
      stop.abort()
      cancelTimer()
      document.removeEventListener('visibilitychange', onVisible)
    }
  }, [executionId, isLive, limit])

  return { events, isComplete, error, more: () => setLimit(limit + EVENTS_STEP) }
}
