// Instants and spans on a page: short to look at, exact when pointed at, moving on by themselves.

import { beat } from '../clock.js'
import { age, span, stamp } from '../format.js'

/** "12 s ago", with the exact time as its title. */
export function Ago({ at }: { readonly at: string | null | undefined }) {
  if (at === null || at === undefined) return <span class="muted">–</span>
  const ms = Date.parse(at)
  return (
    <time dateTime={at} title={stamp(ms, { exact: true })}>
      {age(ms, beat.value)}
    </time>
  )
}

export function Exact({ at }: { readonly at: string }) {
  return (
    <time dateTime={at} title={at}>
      {stamp(Date.parse(at), { exact: true })}
    </time>
  )
}

/** How long from one to the other; until now while there is no other. */
export function Lasted({ from, to }: { readonly from: string; readonly to: string | null }) {
  const end = to === null ? beat.value : Date.parse(to)
  return <>{span(end - Date.parse(from))}</>
}
