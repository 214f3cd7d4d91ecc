// The refusals that several calls share.

import { CerebelumError } from '../core/errors.js'
import type { ExecutionStatus } from '../core/execution.js'

export function notFound(executionId: string): CerebelumError {
  return new CerebelumError(
    'EXECUTION_NOT_FOUND',
    `There is no execution "${executionId}". Check the id; a deleted one is gone.`,
    { executionId },
  )
}

/** `what` did not happen, e.g. 'the signal "go" did not reach it'. */
export function closed(executionId: string, what: string, status?: ExecutionStatus): CerebelumError {
  return new CerebelumError(
    'EXECUTION_CLOSED',
    `Execution "${executionId}" is closed${status === undefined ? '' : ` (${status})`}: ${what}. ` +
      'Start it again with idPolicy "allow-after-close", or leave it.',
    { executionId, ...(status === undefined ? {} : { status }) },
  )
}

export function unknownWorkflow(workflow: string): CerebelumError {
  return new CerebelumError(
    'UNKNOWN_WORKFLOW',
    `No node ever registered a workflow "${workflow}". Start a node that has it, or check the name.`,
    { workflow },
  )
}
