// The list of executions and the page of one, in a real Chromium over a real node: what is shown, filtered, and done.

import { randomBytes } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { mountDashboard } from '../../src/dashboard/mount.js'
import { hasBrowser, useBrowser, type TestPage } from '../support/browser.js'
import { useHttp } from '../support/http.js'
import { eventually } from '../support/wait.js'
import { fulfil, flaky, quick, refused, WORKFLOWS } from './workflows.js'

const http = useHttp(WORKFLOWS, { mount: mountDashboard })
const browser = useBrowser()
const suite = describe.skipIf(!hasBrowser)
/** A browser on a machine that has much else to do. */
const PATIENT = { timeout: 120_000 }

const open = (path: string, options?: Parameters<typeof browser.open>[1]): Promise<TestPage> =>
  browser.open(http.url + path, options)
const statusOf = async (id: string): Promise<string> => (await http.client.get(id)).status

async function startOrder(id: string): Promise<void> {
  await http.client.start(fulfil, { item: 'lamp', cents: 4_200, note: '<script>alert(1)</script>' }, { id })
  await eventually(async () => (await http.client.get(id)).note?.includes('signal "approved"'))
}

async function rowIds(page: Page): Promise<string[]> {
  return page.locator('tbody a[data-row]').allTextContents()
}

beforeAll(async () => {
  if (!hasBrowser) return
  await http.client.startMany(
    Array.from({ length: 60 }, (_, n) => ({
      workflow: quick,
      input: { n },
      id: `quick-${String(n).padStart(3, '0')}`,
    })),
  )
  await http.client.start(flaky, undefined, { id: 'flaky-1' })
  await http.client.start(refused, undefined, { id: 'refused-1' })
  await startOrder('order-1')
  await eventually(
    async () =>
      (await http.client.list({ workflow: 'quick', status: 'completed', limit: 100 })).executions.length ===
      60,
  )
  await eventually(async () => (await statusOf('refused-1')) === 'failed')
})

suite('the list', PATIENT, () => {
  test('shows what there is, live', async () => {
    const list = await open('/')
    await list.page.getByRole('link', { name: 'order-1', exact: true }).waitFor()
    await list.screenshot('executions')
    await list.expectAccessible()
    await http.client.start(quick, { n: 1_000 }, { id: 'while-you-look' })
    await list.page.getByRole('link', { name: 'while-you-look' }).waitFor()
    await list.close()
  })

  test('is filtered by what the address says, and says in the address what it is filtered by', async () => {
    const list = await open('/?workflow=quick')
    await list.page.getByLabel('Workflow').waitFor()
    await list.page.getByLabel('Attributes').fill('parity=odd')
    await list.page.getByLabel('Attributes').press('Enter')
    await list.page.waitForURL(/attributes=parity/)
    // The list from before has that row too: it is the filtered one once no other is left.
    await eventually(async () => {
      const ids = await rowIds(list.page)
      return ids.includes('quick-059') && ids.every((id) => /[13579]$/.test(id))
    })
    await list.page.getByRole('button', { name: 'failed' }).click()
    await list.page.getByText('Nothing passes this filter').waitFor()
    expect(new URL(list.page.url()).searchParams.get('status')).toBe('failed')
    await list.page.goBack()
    await eventually(async () => (await rowIds(list.page)).includes('quick-059'))
    await list.close()
  })

  test('goes page by page', async () => {
    const list = await open('/?workflow=quick')
    await list.page.getByRole('link', { name: /Older/ }).click()
    await eventually(async () => (await rowIds(list.page)).includes('quick-000'))
    await list.page.getByRole('link', { name: 'Newest' }).click()
    await eventually(async () => (await rowIds(list.page)).includes('quick-059'))
    await list.close()
  })

  test('keeps views under a name', async () => {
    const list = await open('/?workflow=flaky')
    await list.page.getByRole('button', { name: 'Save view' }).click()
    await list.page.getByLabel(/^Name/).fill('The flaky ones')
    await list.page.getByRole('button', { name: 'Save', exact: true }).click()
    await list.page.getByRole('link', { name: 'All', exact: true }).click()
    await list.page.getByRole('link', { name: 'The flaky ones' }).click()
    expect(list.page.url()).toContain('workflow=flaky')
    await list.page.reload()
    await list.page.getByRole('link', { name: 'The flaky ones' }).waitFor()
    await list.page.getByRole('button', { name: /^Forget/ }).click()
    expect(await list.page.getByRole('link', { name: 'The flaky ones' }).count()).toBe(0)
    await list.close()
  })

  test('acts on many at once, and says how each went', async () => {
    const ids = ['bulk-1', 'bulk-2']
    for (const id of ids) await startOrder(id)
    const list = await open('/')
    for (const id of [...ids, 'refused-1']) await list.page.getByLabel(`Pick ${id}`, { exact: true }).check()
    await list.page.getByRole('button', { name: 'Cancel…' }).click()
    await list.page.getByLabel(/^Reason/).fill('by hand')
    await list.screenshot('bulk-asks')
    await list.page.getByRole('button', { name: 'Cancel 3' }).click()
    await list.page.getByText('Done: 2 asked to cancel, 1 refused of 3').waitFor()
    await list.page.getByText(/EXECUTION_CLOSED/).waitFor()
    await list.screenshot('bulk-outcomes')
    await list.expectAccessible()
    for (const id of ids) await eventually(async () => (await statusOf(id)) === 'canceled')
    await list.close()
  })

  test('is walked by keys: down, open, back to search, help', async () => {
    const list = await open('/?workflow=quick')
    await list.page.locator('tbody a[data-row]').first().waitFor()
    const [first = '', second = ''] = await rowIds(list.page)
    await list.page.keyboard.press('j')
    await list.page.keyboard.press('j')
    await list.page.keyboard.press('k')
    await list.page.keyboard.press('j')
    await list.page.keyboard.press('x')
    expect(await list.page.getByLabel(`Pick ${second}`, { exact: true }).isChecked()).toBe(true)
    expect(await list.page.getByLabel(`Pick ${first}`, { exact: true }).isChecked()).toBe(false)
    await list.page.keyboard.press('?')
    await list.page.getByRole('dialog').waitFor()
    await list.screenshot('keyboard')
    await list.expectAccessible()
    await list.page.keyboard.press('Escape')
    await list.page.keyboard.press('/')
    await list.page.keyboard.type('order-1')
    await list.page.keyboard.press('Enter')
    await list.page.getByRole('heading', { name: 'order-1' }).waitFor()
    await list.page.keyboard.press('g')
    await list.page.keyboard.press('e')
    await list.page.getByRole('heading', { name: 'Executions' }).waitFor()
    await list.close()
  })

  test('says when the node does not answer, and comes back by itself', async () => {
    const list = await open('/')
    await list.page.getByRole('link', { name: 'order-1', exact: true }).waitFor()
    await list.page.context().setOffline(true)
    await list.page.getByText('The node does not answer. What is shown').waitFor()
    await list.screenshot('offline')
    await list.page.context().setOffline(false)
    await list.page.getByText('The node does not answer. What is shown').waitFor({ state: 'detached' })
    await list.close()
  })
})

suite('an execution', PATIENT, () => {
  test('shows its timeline, its graph and its events, and nothing of them is markup', async () => {
    const one = await open('/executions/order-1')
    await one.page.getByRole('button', { name: /step charge the card.*done/ }).click()
    await one.page.getByText('"p-lamp"').waitFor()
    await one.screenshot('execution')
    await one.expectAccessible()
    await one.page.getByRole('link', { name: 'Graph' }).click()
    const graph = one.page.getByRole('img', { name: /Path taken: .*step charge the card.*step print label/ })
    await graph.waitFor()
    await one.screenshot('execution-graph')
    await one.expectAccessible()
    await one.page.getByRole('link', { name: 'Events' }).click()
    await one.page
      .getByRole('button', { name: /1 .*started/ })
      .first()
      .click()
    await one.page.getByText('"<script>alert(1)</script>"').first().waitFor()
    await one.screenshot('execution-events')
    await one.expectAccessible()
    await one.page.getByRole('region', { name: 'Children' }).getByRole('link').first().click()
    await one.page.getByRole('link', { name: 'order-1' }).click()
    await one.page.getByRole('heading', { name: 'order-1' }).waitFor()
    await one.close()
    const other = await open('/executions/refused-1?tab=events')
    await other.page
      .getByText(/<img src=x/)
      .first()
      .waitFor()
    expect(await other.page.locator('main img, main b').count()).toBe(0)
    await other.close()
  })

  test('tells the attempts of a step apart', async () => {
    await eventually(async () => (await statusOf('flaky-1')) === 'completed')
    const one = await open('/executions/flaky-1')
    await one.page.getByRole('button', { name: /step ask the bank.*×3.*done/ }).click()
    await one.page.getByLabel('Attempt to compare with the one before').selectOption('attempt 2')
    await one.page
      .getByLabel('What changed between the attempts')
      .getByText('+   "message": "the bank is closed, says clerk 2"')
      .waitFor()
    await one.screenshot('execution-attempts')
    await one.expectAccessible()
    await one.close()
  })

  test('takes an approval, and goes on to its end while one looks', async () => {
    const id = `approve-${randomBytes(3).toString('hex')}`
    await startOrder(id)
    const one = await open(`/executions/${id}`)
    await one.page.getByRole('button', { name: 'Approve “approved”…' }).click()
    await one.page.getByLabel(/^Value/).fill('{"approved": "perhaps"}')
    await one.page.getByRole('button', { name: 'Send', exact: true }).click()
    await one.page.getByText(/INVALID_INPUT/).waitFor()
    await one.screenshot('signal')
    await one.expectAccessible()
    await one.page.getByLabel(/^Value/).fill('{"approved": true, "by": "ada"}')
    await one.page.getByRole('button', { name: 'Send', exact: true }).click()
    await one.page.getByRole('region', { name: 'Result' }).getByText('"ada"').waitFor()
    expect(await http.client.result(id)).toMatchObject({ approvedBy: 'ada' })
    await one.close()
  })

  test('answers queries and updates', async () => {
    const one = await open('/executions/order-1')
    await one.page.getByRole('button', { name: 'Update…' }).click()
    await one.page.getByLabel('Name').fill('address')
    await one.page.getByLabel(/^Value/).fill('"Main Street 7"')
    await one.page.getByRole('button', { name: 'Send', exact: true }).click()
    await one.page.getByRole('dialog').getByText('"accepted"').waitFor()
    await one.page.getByRole('button', { name: 'Close' }).click()
    await one.page.getByRole('button', { name: 'Query…' }).click()
    await one.page.getByLabel('Name').fill('address')
    await one.page.getByRole('button', { name: 'Ask' }).click()
    await one.page.getByRole('dialog').getByText('"Main Street 7"').waitFor()
    await one.close()
  })

  test('is paused, resumed and terminated', async () => {
    const id = `stop-${randomBytes(3).toString('hex')}`
    await startOrder(id)
    const one = await open(`/executions/${id}`)
    await one.page.getByRole('button', { name: 'Pause' }).click()
    await eventually(async () => (await statusOf(id)) === 'paused')
    await one.page.getByRole('button', { name: 'Resume' }).click()
    await eventually(async () => (await statusOf(id)) === 'waiting')
    await one.page.getByRole('button', { name: 'Terminate…' }).click()
    await one.page.getByRole('button', { name: 'Terminate 1' }).click()
    await one.page.getByText('Done: 1 terminated').waitFor()
    await one.page.getByRole('button', { name: 'Close' }).click()
    expect(await statusOf(id)).toBe('terminated')
    await one.page.getByRole('button', { name: 'Start another like it…' }).click()
    await one.page.getByLabel(/^Id/).fill(`${id}-again`)
    await one.page.getByRole('button', { name: 'Start', exact: true }).click()
    await one.page.getByRole('heading', { name: `${id}-again` }).waitFor()
    expect((await http.client.get(`${id}-again`)).input).toMatchObject({ item: 'lamp' })
    await one.close()
  })

  test('is forked from a step, and goes on by itself', async () => {
    await startOrder('forked')
    const one = await open('/executions/forked')
    await one.page.getByRole('button', { name: /step charge the card.*done/ }).click()
    await one.page.getByRole('button', { name: 'Fork from after it…' }).click()
    await one.page.getByLabel(/^Id of the fork/).fill('the-fork')
    await one.screenshot('fork')
    await one.expectAccessible()
    await one.page.getByRole('button', { name: 'Fork', exact: true }).click()
    await one.page.getByRole('heading', { name: 'the-fork' }).waitFor()
    await one.page.getByRole('button', { name: 'Approve “approved”…' }).click()
    await one.page.getByLabel(/^Value/).fill('{"approved": true, "by": "bob"}')
    await one.page.getByRole('button', { name: 'Send', exact: true }).click()
    await one.page.getByRole('region', { name: 'Result' }).getByText('"bob"').waitFor()
    expect(await statusOf('forked')).toBe('waiting')
    await one.close()
  })

  test('that does not exist says so', async () => {
    const one = await open('/executions/no%2Fsuch')
    await one.page.getByText('EXECUTION_NOT_FOUND').waitFor()
    await one.screenshot('execution-unknown')
    await one.expectAccessible()
    await one.close()
  })
})
