// How a start can fail, wherever one is asked for.

import type { ErrorCode } from '../core/errors.js'

export const START_ERRORS: readonly ErrorCode[] = [
  'UNKNOWN_WORKFLOW',
  'EXECUTION_EXISTS',
  'CONFLICT',
  'INVALID_INPUT',
  'INVALID_ID',
  'INVALID_NAME',
  'INVALID_DURATION',
  'UNSERIALIZABLE',
  'PAYLOAD_TOO_LARGE',
]
