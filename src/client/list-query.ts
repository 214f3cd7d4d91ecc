// A list's filter as the store wants it: checked, bounded, with its cursor read.

import { checkAttributes } from '../core/attributes.js'
import { checkInstant } from '../core/duration.js'
import { CerebelumError } from '../core/errors.js'
import { STATUSES, type ExecutionStatus } from '../core/execution.js'
import { checkId, checkName } from '../core/ids.js'
import type { Limits } from '../core/limits.js'
import type { ListQuery } from '../store/store.js'
import { checkOneOf, checkWholeNumber } from './arguments.js'
import type { ListFilter } from './client.js'
import { decodeCursor } from './cursor.js'

const LIST_LIMIT_MAX = 1_000
const LIST_LIMIT_DEFAULT = 100

/** @throws CerebelumError INVALID_ARGUMENT | INVALID_NAME | INVALID_ID | INVALID_DURATION | INVALID_CURSOR */
export function toListQuery(filter: ListFilter, limits: Limits): ListQuery {
  const { workflow, status, startedAfter, startedBefore, parentId, attributes, cursor } = filter
  return {
    limit: checkWholeNumber(filter.limit ?? LIST_LIMIT_DEFAULT, {
      what: 'limit of the list',
      min: 1,
      max: LIST_LIMIT_MAX,
      limit: 'listLimitMax',
    }),
    ...(workflow === undefined
      ? {}
      : { workflow: checkName(workflow, 'workflow name', limits.nameCharactersMax) }),
    ...(status === undefined ? {} : { statuses: checkStatuses([status].flat()) }),
    ...(startedAfter === undefined ? {} : { startedAfter: checkInstant(startedAfter, 'startedAfter') }),
    ...(startedBefore === undefined ? {} : { startedBefore: checkInstant(startedBefore, 'startedBefore') }),
    ...(parentId === undefined
      ? {}
      : { parentId: checkId(parentId, 'id of the parent', limits.idCharactersMax) }),
    ...(attributes === undefined
      ? {}
      : { attributes: checkAttributes(attributes, 'the filter of the list', limits) }),
    ...(cursor === undefined ? {} : { after: decodeCursor(cursor, limits.idCharactersMax) }),
  }
}

function checkStatuses(statuses: readonly unknown[]): ExecutionStatus[] {
  if (statuses.length === 0) {
    throw new CerebelumError(
      'INVALID_ARGUMENT',
      'The list of statuses is empty: nothing could match. Leave it out to list all.',
    )
  }
  return [...new Set(statuses.map((status) => checkOneOf(status, STATUSES, 'status of the list')))]
}
