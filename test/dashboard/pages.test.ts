// The other pages in a real Chromium: the cluster as nodes come and go, schedules, dead letters, definitions; and every
// page in the dark on the smallest phone.

import { beforeAll, describe, expect, test } from 'vitest'
import { mountDashboard } from '../../src/dashboard/mount.js'
import { hasBrowser, useBrowser, type TestPage } from '../support/browser.js'
import { useHttp } from '../support/http.js'
import { eventually } from '../support/wait.js'
import { fulfil, quick, refused, WORKFLOWS } from './workflows.js'

const http = useHttp(WORKFLOWS, { mount: mountDashboard })
const browser = useBrowser()
const suite = describe.skipIf(!hasBrowser)
/** A browser on a machine that has much else to do. */
const PATIENT = { timeout: 120_000 }

const open = (path: string, options?: Parameters<typeof browser.open>[1]): Promise<TestPage> =>
  browser.open(http.url + path, options)

/** As the reaper leaves an execution that keeps killing its nodes. */
async function setAside(id: string): Promise<void> {
  const sql = http.database.connect({ max: 1 })
  await sql`
    update executions
    set status = 'dead', ready_at = null, claimed_by = null, note = 'it killed 3 nodes in a row'
    where execution_id = ${id}::text`
}

async function startOrder(id: string): Promise<void> {
  await http.client.start(fulfil, { item: 'lamp', cents: 1 }, { id })
  await eventually(async () => (await http.client.get(id)).note?.includes('signal "approved"'))
}

beforeAll(async () => {
  if (!hasBrowser) return
  await startOrder('order-1')
  await http.client.schedules.create('nightly', {
    spec: { cron: '30 2 * * *', timeZone: 'Europe/Berlin' },
    workflow: quick,
    input: { n: 7 },
    note: 'reports',
  })
  await http.client.schedules.create('hourly', {
    spec: { every: '1 hour' },
    workflow: quick,
    input: { n: 1 },
  })
})

suite('the cluster', PATIENT, () => {
  test('shows nodes, partitions and regions, and tells of a node that comes and goes', async () => {
    const cluster = await open('/cluster')
    await cluster.page.getByRole('region', { name: 'Nodes' }).getByText('alive').waitFor()
    const other = await http.join()
    const changes = cluster.page.getByRole('region', { name: 'Changes' })
    await changes.getByText(/joined in local/).waitFor()
    await changes
      .getByText(/partitions? from .* to /)
      .first()
      .waitFor()
    await cluster.screenshot('cluster')
    await cluster.expectAccessible()
    await other.stop()
    await changes.getByText(/left in good order|is gone/).waitFor()
    await cluster.close()
  })
})

suite('charts', PATIENT, () => {
  test('are drawn of what was started and how it ended', async () => {
    await http.client.startMany(Array.from({ length: 30 }, (_, n) => ({ workflow: quick, input: { n } })))
    await http.client.start(refused, undefined, { id: 'refused-1' })
    await eventually(async () => (await http.client.get('refused-1')).status === 'failed')
    const charts = await open('/charts?last=15m')
    await charts.page.getByRole('img', { name: /^Throughput: started at most/ }).waitFor()
    await charts.page.getByRole('img', { name: /^Latency.*quick at most/ }).waitFor()
    expect(await charts.page.locator('canvas').count()).toBe(3)
    await charts.screenshot('charts')
    await charts.expectAccessible()
    await charts.page.getByLabel('Workflow').selectOption('refused')
    await charts.page.getByText('1 (100 %)').waitFor()
    await charts.close()
  })
})

suite('schedules', PATIENT, () => {
  test('show when they fire next; paused, resumed and triggered', async () => {
    const list = await open('/schedules')
    const row = list.page.getByRole('row', { name: /nightly/ })
    await row.getByRole('button', { name: 'nightly' }).click()
    await list.page.getByText('next times').waitFor()
    await eventually(async () => (await list.page.locator('dd ol li').count()) > 1)
    await list.screenshot('schedules')
    await list.expectAccessible()
    await row.getByRole('button', { name: 'Pause' }).click()
    await row.getByRole('button', { name: 'Resume' }).waitFor()
    expect((await http.client.schedules.describe('nightly')).paused).toBe(true)
    await row.getByRole('button', { name: 'Resume' }).click()
    await row.getByRole('button', { name: 'Pause' }).waitFor()
    await row.getByRole('button', { name: 'Trigger' }).click()
    const last = await eventually(
      async () => (await http.client.schedules.describe('nightly')).lastExecutionId,
    )
    expect(await http.client.result(last)).toBe(14)
    await list.close()
  })
})

suite('dead letters', PATIENT, () => {
  test('are told with the reason, and go back to work', async () => {
    const empty = await open('/dead-letters')
    await empty.page.getByText('No dead letters').waitFor()
    await empty.close()
    await startOrder('dead-1')
    await setAside('dead-1')
    const list = await open('/dead-letters')
    await list.page.getByText('it killed 3 nodes in a row').waitFor()
    await list.screenshot('dead-letters')
    await list.expectAccessible()
    await list.page.getByRole('button', { name: 'Retry…' }).click()
    await list.page.getByRole('button', { name: 'Retry 1' }).click()
    await list.page.getByText('Done: 1 tried again').waitFor()
    await list.page.getByRole('button', { name: 'Close' }).click()
    await list.page.getByText('No dead letters').waitFor()
    await eventually(async () => (await http.client.get('dead-1')).status === 'waiting')
    await list.close()
  })
})

suite('workflows', PATIENT, () => {
  test('show their versions and what they take, and are started', async () => {
    const list = await open('/workflows')
    const row = list.page.getByRole('row', { name: /quick/ })
    await row.getByRole('button', { name: 'quick' }).click()
    await list.page.getByText('"number"').first().waitFor()
    await list.screenshot('workflows')
    await list.expectAccessible()
    await row.getByRole('button', { name: 'Start…' }).click()
    await list.page.getByLabel(/^Input/).fill('{"n": "seven"}')
    await list.page.getByRole('button', { name: 'Start', exact: true }).click()
    await list.page.getByText(/INVALID_INPUT/).waitFor()
    await list.page.getByLabel(/^Input/).fill('{"n": 21}')
    await list.page.getByLabel(/^Id/).fill('from-the-page')
    await list.page.getByRole('button', { name: 'Start', exact: true }).click()
    await list.page.getByRole('region', { name: 'Result' }).getByText('42').waitFor()
    await list.close()
  })
})

suite('on the smallest phone, in the dark', PATIENT, () => {
  const pages = [
    { name: 'executions', path: '/', text: 'order-1' },
    { name: 'execution', path: '/executions/order-1', text: 'charge the card' },
    { name: 'execution-graph', path: '/executions/order-1?tab=graph', text: 'waiting…' },
    { name: 'execution-events', path: '/executions/order-1?tab=events', text: 'step_completed' },
    { name: 'charts', path: '/charts', text: 'Throughput' },
    { name: 'cluster', path: '/cluster', text: 'alive' },
    { name: 'schedules', path: '/schedules', text: 'nightly' },
    { name: 'dead-letters', path: '/dead-letters', text: 'No dead letters' },
    { name: 'workflows', path: '/workflows', text: 'fulfil' },
  ]

  test('no page is wider than 320 pixels, and all are accessible', async () => {
    const phone = await open('/', { viewport: { width: 320, height: 640 }, colorScheme: 'dark' })
    for (const { name, path, text } of pages) {
      await phone.page.goto(http.url + path)
      await phone.page.getByText(text, { exact: false }).first().waitFor()
      const width: unknown = await phone.page.evaluate('document.documentElement.scrollWidth')
      expect(width, name).toBeLessThanOrEqual(320)
      await phone.screenshot(`${name}-320-dark`)
      await phone.expectAccessible()
    }
    await phone.close()
  })
})
