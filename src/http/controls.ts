// What a person does to an execution: cancel, terminate, pause, resume, retry. All are recorded in its history
// before the answer; cancel and pause take effect when its code next waits, hence 202.

import type { z } from 'zod'
import type { Client, RequestOptions } from '../client/client.js'
import type { ErrorCode } from '../core/errors.js'
import { executionParams, writing, type Description, type Operation } from './operation.js'
import * as schemas from './schemas.js'
import { ofExecution } from './wire.js'

export function controlOperations({ client }: { readonly client: Client }): readonly Operation[] {
  const { reasonBody, noBody } = schemas
  return [
    control('cancel', {
      summary: 'Ask an execution to cancel',
      description: 'What its code waits for is rejected, and what it did is undone.',
      idempotency: 'Recognized for a day after it was taken; canceling what is canceled changes nothing.',
      body: reasonBody,
      errors: ['EXECUTION_CLOSED', 'TOO_MANY'],
      status: 202,
      act: (id, body, key) => client.cancel(id, body?.reason, repeatable(key)),
    }),
    control('terminate', {
      summary: 'End an execution at once',
      description: 'Nothing is undone, and its code is not asked.',
      idempotency: 'Terminating what is terminated changes nothing.',
      body: reasonBody,
      errors: ['EXECUTION_CLOSED'],
      status: 200,
      act: (id, body) => client.terminate(id, body?.reason),
    }),
    control('pause', {
      summary: 'Pause an execution when its code next waits',
      idempotency:
        'Recognized for a day after it was taken, so that a late repetition does not pause it again.',
      body: noBody,
      errors: ['EXECUTION_CLOSED', 'TOO_MANY'],
      status: 202,
      act: (id, _body, key) => client.pause(id, repeatable(key)),
    }),
    control('resume', {
      summary: 'Let a paused execution go on',
      idempotency: 'What it resumed is found in the history, for as long as that exists.',
      body: noBody,
      errors: ['EXECUTION_NOT_RESUMABLE'],
      status: 200,
      act: (id, _body, key) => client.resume(id, repeatable(key)),
    }),
    control('retry', {
      summary: 'Try a blocked or dead execution again now',
      idempotency: 'What it brought back is found in the history, for as long as that exists.',
      body: noBody,
      errors: ['EXECUTION_NOT_RESUMABLE'],
      status: 200,
      act: (id, _body, key) => client.retry(id, repeatable(key)),
    }),
  ]
}

interface Control<S extends z.ZodType> extends Pick<Description, 'summary' | 'description' | 'idempotency'> {
  readonly body: S
  readonly errors: readonly ErrorCode[]
  readonly status: 200 | 202
  readonly act: (executionId: string, body: z.output<S>, key: string | undefined) => Promise<void>
}

function control<S extends z.ZodType>(name: string, { act, errors, status, ...spec }: Control<S>): Operation {
  return writing({
    ...spec,
    id: `${name}Execution`,
    method: 'POST',
    path: `/executions/:executionId/${name}`,
    tag: 'Executions',
    role: 'operator',
    params: executionParams,
    query: schemas.noQuery,
    answers: {
      [status]: {
        description: status === 202 ? 'It is asked for, and recorded.' : 'It is done.',
        body: ofExecution,
        example: { executionId: 'order-7' },
      },
    },
    errors: ['EXECUTION_NOT_FOUND', 'INVALID_ID', 'PAYLOAD_TOO_LARGE', ...errors],
    async handle({ c, params: { executionId }, body, key }) {
      await act(executionId, body, key)
      return c.json({ executionId }, status)
    },
  })
}

function repeatable(key: string | undefined): RequestOptions {
  return key === undefined ? {} : { requestId: key }
}
