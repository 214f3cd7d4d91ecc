// A status as a badge: the word and a color, so that neither is needed to know the other.

import type { Status } from '../api/types.js'

export function StatusBadge({ status }: { readonly status: Status }) {
  return <span class={`badge ${status}`}>{status}</span>
}
