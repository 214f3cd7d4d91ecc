// The start of a firing, as it is written: the same row whoever writes it, so that a second writer finds its own.

import type { StartedDetail } from '../core/event.js'
import type { ExecutionKey } from '../core/execution.js'
import type { ScheduleRow, StartRow } from './store.js'

/** Left ringing for whoever claims it; `version` is the workflow's, where the writer knows a newer one. */
export function scheduledStart(
  schedule: ScheduleRow,
  key: ExecutionKey,
  version: string = schedule.workflowVersion,
): StartRow {
  const { workflow, input, unchecked, attributes } = schedule
  const detail: StartedDetail = {
    workflow,
    workflowVersion: version,
    run: 1,
    ...(unchecked ? { unchecked } : {}),
    ...(attributes === null ? {} : { attributes }),
  }
  return {
    key,
    workflow,
    workflowVersion: version,
    startId: key.executionId,
    claimedBy: null,
    ...(attributes === null ? {} : { attributes }),
    event: {
      type: 'started',
      name: workflow,
      detail: JSON.stringify(detail),
      ...(input === null ? {} : { payload: input }),
    },
  }
}
