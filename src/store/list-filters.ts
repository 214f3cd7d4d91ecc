// The filters that all lists of executions share, as conditions on `e`.

import { textArray } from './arrays.js'
import type { ListQuery } from './store.js'
import type { Database } from './tables.js'

export function inRange({ sql }: Database, query: ListQuery) {
  const after = query.after
  const below = after?.startedAt ?? query.startedBefore
  const cursor =
    after === undefined
      ? sql``
      : sql`and (e.started_at, e.execution_id) < (${after.startedAt.toISOString()}::timestamptz, ${after.executionId}::text)`
  const before =
    query.startedBefore === undefined
      ? sql``
      : sql`and e.started_at < ${query.startedBefore.toISOString()}::timestamptz`
  const upper = below === undefined ? sql`` : sql`and e.started_at <= ${below.toISOString()}::timestamptz`
  return sql`e.started_at >= ${query.startedAfter?.toISOString() ?? '-infinity'}::timestamptz ${upper} ${before} ${cursor}`
}

export function filters({ sql }: Database, query: ListQuery) {
  const statuses =
    query.statuses === undefined ? sql`` : sql`and e.status = any(${textArray(query.statuses)}::text[])`
  const workflow = query.workflow === undefined ? sql`` : sql`and e.workflow = ${query.workflow}::text`
  const attributes = !hasAttributes(query)
    ? sql``
    : sql`and e.attributes is not null and e.attributes @> ${JSON.stringify(query.attributes)}::text::jsonb`
  return sql`true ${workflow} ${statuses} ${attributes}`
}

/** None wanted is no filter: rows without any are listed too. */
export function hasAttributes({ attributes }: ListQuery): boolean {
  return attributes !== undefined && Object.keys(attributes).length > 0
}
