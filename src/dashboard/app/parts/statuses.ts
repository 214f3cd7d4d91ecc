// The statuses of executions in the order in which pages name them: those that are open, then those that are closed.

import type { Status } from '../api/types.js'

const OPEN: readonly Status[] = ['queued', 'running', 'waiting', 'paused', 'blocked', 'dead']
const CLOSED: readonly Status[] = ['completed', 'failed', 'canceled', 'terminated']
export const STATUSES: readonly Status[] = [...OPEN, ...CLOSED]

export function isOpen(status: Status): boolean {
  return OPEN.includes(status)
}
