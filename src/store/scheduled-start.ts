// The start of a firing, as it is written: the same row whoever writes it, so that a second writer finds its own.

import type { StartedDetail } from '../core/event.js'
import type { ExecutionKey } from '../core/execution.js'
import type { ScheduleRow, StartRow } from './store.js'

/** What the writer of a start may know of its workflow. */
export interface KnownWorkflow {
  readonly version: string
  readonly options: { readonly priority?: number }
}

/** Left ringing for whoever claims it, with what the writer knows that is newer than the schedule. */
export function scheduledStart(schedule: ScheduleRow, key: ExecutionKey, known?: KnownWorkflow): StartRow {
  const version = known?.version ?? schedule.workflowVersion
  const priority = known?.options.priority
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
    ...(priority === undefined ? {} : { priority }),
    event: {
      type: 'started',
      name: workflow,
      detail: JSON.stringify(detail),
      ...(input === null ? {} : { payload: input }),
    },
  }
}
