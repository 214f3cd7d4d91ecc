// A status as a badge: the word and a color, so that neither is needed to know the other.

import type { Status } from '../api/types.js'

export const OPEN: readonly Status[] = ['queued', 'running', 'waiting', 'paused', 'blocked', 'dead']
export const CLOSED: readonly Status[] = ['completed', 'failed', 'canceled', 'terminated']
export const STATUSES: readonly Status[] = [...OPEN, ...CLOSED]

export function isOpen(status: Status): boolean {
  return OPEN.includes(status)
}

export function StatusBadge({ status }: { readonly status: Status }) {
  return <span class={`badge ${status}`}>{status}</span>
}
