// Rows and events as clients see them.

import { decode } from '../core/codec.js'
import type { Event } from '../core/event.js'
import type { ExecutionRow } from '../store/store.js'
import type { ExecutionInfo, HistoryEvent } from './client.js'

export function infoOf(row: ExecutionRow): ExecutionInfo {
  return {
    executionId: row.key.executionId,
    workflow: row.workflow,
    workflowVersion: row.workflowVersion,
    status: row.status,
    run: row.run,
    version: row.version,
    startedAt: row.startedAt,
    closedAt: row.closedAt,
    node: row.claimedBy,
    parentId: row.parentId,
    attributes: row.attributes ?? {},
    note: row.note,
  }
}

export function historyEvent(event: Event): HistoryEvent {
  const { detail, payload, ...rest } = event
  return {
    ...rest,
    ...(detail === undefined ? {} : { detail: parsed(detail) }),
    ...(payload === undefined ? {} : { payload: decode(payload) }),
  }
}

/** A reason as a person gave it. */
export function reasonOf(value: unknown): string {
  return typeof value === 'string' ? value : 'no reason given'
}

function parsed(text: string): unknown {
  return JSON.parse(text)
}
