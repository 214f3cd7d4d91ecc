// Schedules over HTTP.

import type {
  ScheduleDetails,
  ScheduleFilter,
  ScheduleInfo,
  SchedulePage,
  ScheduleRequest,
} from '../client/schedules.js'
import type { RemoteHandle, RemoteSchedules } from './client.js'
import { scheduleDetailsOf, scheduleOf } from './decode.js'
import type { Wire } from './json.js'
import type { Transport } from './transport.js'

interface Started {
  readonly executionId: string
  readonly created: boolean
}

export class HttpSchedules implements RemoteSchedules {
  private readonly transport: Transport
  private readonly handle: (started: Started) => RemoteHandle

  constructor(transport: Transport, handle: (started: Started) => RemoteHandle) {
    this.transport = transport
    this.handle = handle
  }

  async create(scheduleId: string, request: ScheduleRequest): Promise<{ readonly created: boolean }> {
    const body = { ...named(request), id: scheduleId }
    const sent = await this.transport.send<{ readonly created: boolean }>({
      method: 'POST',
      path: ['schedules'],
      body,
    })
    return { created: sent.body.created }
  }

  async describe(scheduleId: string): Promise<ScheduleDetails> {
    const path = ['schedules', scheduleId]
    return scheduleDetailsOf((await this.transport.send<Wire<ScheduleDetails>>({ method: 'GET', path })).body)
  }

  async list(filter: ScheduleFilter = {}): Promise<SchedulePage> {
    type Page = Omit<Wire<SchedulePage>, 'schedules'> & { readonly schedules: readonly Wire<ScheduleInfo>[] }
    const { body } = await this.transport.send<Page>({
      method: 'GET',
      path: ['schedules'],
      query: { ...filter },
    })
    return { ...body, schedules: body.schedules.map(scheduleOf) }
  }

  async update(scheduleId: string, changes: Partial<Omit<ScheduleRequest, 'paused'>>): Promise<ScheduleInfo> {
    const call = { method: 'PATCH', path: ['schedules', scheduleId], body: named(changes) } as const
    return scheduleOf((await this.transport.send<Wire<ScheduleInfo>>(call)).body)
  }

  async pause(scheduleId: string, note?: string): Promise<void> {
    await this.transport.send({ method: 'POST', path: ['schedules', scheduleId, 'pause'], body: { note } })
  }

  async resume(scheduleId: string, note?: string): Promise<void> {
    await this.transport.send({ method: 'POST', path: ['schedules', scheduleId, 'resume'], body: { note } })
  }

  async trigger(scheduleId: string, options: { readonly triggerId?: string } = {}): Promise<RemoteHandle> {
    const path = ['schedules', scheduleId, 'trigger']
    return this.handle(
      (await this.transport.send<Started>({ method: 'POST', path, key: options.triggerId })).body,
    )
  }

  async backfill(
    scheduleId: string,
    range: { readonly from: Date; readonly to: Date },
  ): Promise<{ readonly executionIds: readonly string[] }> {
    const path = ['schedules', scheduleId, 'backfill']
    const call = { method: 'POST', path, body: range } as const
    return (await this.transport.send<{ readonly executionIds: readonly string[] }>(call)).body
  }

  async delete(scheduleId: string): Promise<void> {
    await this.transport.send({ method: 'DELETE', path: ['schedules', scheduleId] })
  }
}

/** A workflow goes by its name. */
function named<T extends Partial<ScheduleRequest>>(request: T): object {
  const { workflow } = request
  return typeof workflow === 'object' ? { ...request, workflow: workflow.name } : request
}
