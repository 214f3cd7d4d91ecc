// The browser's time, in one place: the wall clock put right by what the server says, a beat for what shows ages, and
// timers. The beat stands still while nobody looks at the page.

import { signal } from '@preact/signals'

let aheadMs = 0

/** By the `Date` of an answer, which is to the second: smaller differences are nothing. */
export function noteServerTime(date: string | null): void {
  const serverMs = date === null ? Number.NaN : Date.parse(date)
  if (Number.isNaN(serverMs)) return
  const differenceMs = serverMs + 500 - Date.now()
  aheadMs = Math.abs(differenceMs) > 2_000 ? differenceMs : 0
}

export function nowMs(): number {
  return Date.now() + aheadMs
}

/** Changes once a second while the page is seen. */
export const beat = signal(nowMs())

setInterval(() => {
  if (document.visibilityState === 'visible') beat.value = nowMs()
}, 1_000)

/** Returns the cancel function. */
export function after(ms: number, callback: () => void): () => void {
  const timer = setTimeout(callback, ms)
  return () => clearTimeout(timer)
}
