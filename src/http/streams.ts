// What happens, as it happens, as server-sent events: the events of one execution, a list as it changes, nodes that come and
// go. Any node serves any reader, and goes on where another one ended.

import type { Context } from 'hono'
import { z } from 'zod'
import type { Client, ListFilter } from '../client/client.js'
import { isClosed } from '../core/execution.js'
import { parse } from './body.js'
import { eventStream, type StreamedEvent } from './event-stream.js'
import { executionParams, noParams, reading, type Operation } from './operation.js'
import * as schemas from './schemas.js'
import { toJson } from './to-json.js'
import * as wire from './wire.js'

export interface StreamOptions {
  readonly client: Client
  readonly draining: AbortSignal
}

export function streamOperations(options: StreamOptions): readonly Operation[] {
  return [followExecution(options), watchExecutions(options), watchCluster(options)]
}

const COMMON = { method: 'GET', tag: 'Streams', role: 'viewer' } as const

function followExecution({ client, draining }: StreamOptions): Operation {
  return reading({
    ...COMMON,
    id: 'followExecution',
    path: '/executions/:executionId/events',
    summary: 'Follow the events of an execution',
    description:
      'Each event of its history as `event: history` with its version as `id`, in order, without a gap or a repeat, and ' +
      'then whatever is written, up to half a second late. The stream ends behind the event that closes the execution; ' +
      'whoever comes again behind that gets 204, which tells an EventSource to stop.',
    params: executionParams,
    query: schemas.followQuery,
    answers: {
      200: { description: 'The events.', body: wire.historyEvent, isStream: true },
      204: { description: 'It has closed, and there is nothing more.' },
    },
    errors: ['EXECUTION_NOT_FOUND', 'INVALID_ID', 'TOO_MANY', 'ENGINE_STOPPED'],
    async handle({ c, params: { executionId }, query }) {
      const after = lastEventId(c) ?? query.after ?? 0
      const { status, version } = await client.get(executionId)
      if (isClosed(status) && version <= after) return c.body(null, 204)
      return eventStream(c, draining, (signal) => historyOf(client, executionId, { after, signal }))
    },
  })
}

/** What a reader says that lost its connection: the id of the last event that it got. */
function lastEventId(c: Context): number | undefined {
  const text = c.req.header('last-event-id')
  return text === undefined ? undefined : parse(version, text, 'header Last-Event-ID')
}

const version = schemas.wholeNumber(0, 2_147_483_647)

async function* historyOf(
  client: Client,
  executionId: string,
  options: { readonly after: number; readonly signal: AbortSignal },
): AsyncGenerator<StreamedEvent> {
  for await (const event of client.follow(executionId, options))
    yield { event: 'history', id: String(event.version), data: toJson(event) }
}

const listChange = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('changed'), execution: wire.executionInfo }),
    z.object({ kind: z.literal('gone'), executionId: z.string() }),
  ])
  .meta({ id: 'ListChange' })

function watchExecutions({ client, draining }: StreamOptions): Operation {
  return reading({
    ...COMMON,
    id: 'watchExecutions',
    path: '/streams/executions',
    summary: 'Watch a list of executions as it changes',
    description:
      'The first page of the list, and then each change of it as `event: execution`, about a second late. Whoever comes ' +
      'again gets the whole page again.',
    params: noParams,
    query: schemas.listQuery.omit({ cursor: true }),
    repeatable: ['status'],
    answers: { 200: { description: 'The changes.', body: listChange, isStream: true } },
    errors: [
      'INVALID_NAME',
      'INVALID_ID',
      'INVALID_DURATION',
      'PAYLOAD_TOO_LARGE',
      'TOO_MANY',
      'ENGINE_STOPPED',
    ],
    handle: ({ c, query }) => eventStream(c, draining, (signal) => listOf(client, query, signal)),
  })
}

async function* listOf(
  client: Client,
  filter: ListFilter,
  signal: AbortSignal,
): AsyncGenerator<StreamedEvent> {
  for await (const change of client.watchList(filter, { signal }))
    yield { event: 'execution', data: toJson(change) }
}

const clusterChange = z
  .object({
    kind: z.enum(['joined', 'left']),
    nodeId: z.string(),
    region: z.string(),
    zone: z.string().nullable(),
  })
  .meta({ id: 'ClusterChange' })

function watchCluster({ client, draining }: StreamOptions): Operation {
  return reading({
    ...COMMON,
    id: 'watchCluster',
    path: '/streams/cluster',
    summary: 'Watch nodes come and go',
    description: 'First all that are there, then each change as `event: node`, about a second late.',
    params: noParams,
    query: schemas.noQuery,
    answers: { 200: { description: 'The changes.', body: clusterChange, isStream: true } },
    errors: ['ENGINE_STOPPED'],
    handle: ({ c }) => eventStream(c, draining, (signal) => nodesOf(client, signal)),
  })
}

async function* nodesOf(client: Client, signal: AbortSignal): AsyncGenerator<StreamedEvent> {
  for await (const { kind, node } of client.watchCluster({ signal })) {
    const { nodeId, region, zone } = node
    yield { event: 'node', data: { kind, nodeId, region, zone } }
  }
}
