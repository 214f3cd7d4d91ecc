// Where the pages begin in the browser: the frame, the page that the address names, dialogs and messages above it.

import { render } from 'preact'
import { useEffect } from 'preact/hooks'
import { Frame } from './frame.js'
import { KeyboardHelp, listenToKeys } from './keyboard.js'
import { ChartsPage } from './pages/charts.js'
import { ClusterPage } from './pages/cluster.js'
import { DeadLettersPage } from './pages/dead-letters.js'
import { ExecutionPage } from './pages/execution.js'
import { ExecutionsPage } from './pages/executions.js'
import { SchedulesPage } from './pages/schedules.js'
import { WorkflowsPage } from './pages/workflows.js'
import { Empty } from './parts/state.js'
import { Toasts } from './parts/toasts.js'
import { followLinks, parts } from './router.js'

function App() {
  const { title, page } = pageOf(parts.value)
  useEffect(() => {
    document.title = `${title} · Cerebelum`
  }, [title])
  return (
    <>
      <Frame>{page}</Frame>
      <KeyboardHelp />
      <Toasts />
    </>
  )
}

function pageOf([first, second]: readonly string[]) {
  if (first === undefined) return { title: 'Executions', page: <ExecutionsPage /> }
  if (first === 'executions' && second !== undefined) {
    return { title: second, page: <ExecutionPage key={second} executionId={second} /> }
  }
  if (first === 'charts') return { title: 'Charts', page: <ChartsPage /> }
  if (first === 'cluster') return { title: 'Cluster', page: <ClusterPage /> }
  if (first === 'schedules') return { title: 'Schedules', page: <SchedulesPage /> }
  if (first === 'dead-letters') return { title: 'Dead letters', page: <DeadLettersPage /> }
  if (first === 'workflows') return { title: 'Workflows', page: <WorkflowsPage /> }
  return {
    title: 'Not found',
    page: (
      <Empty title="There is no such page">
        <p>
          {first} {second} <a href="/">All executions</a>
        </p>
      </Empty>
    ),
  }
}

followLinks()
listenToKeys()
const root = document.querySelector('#app')
if (root !== null) render(<App />, root)
