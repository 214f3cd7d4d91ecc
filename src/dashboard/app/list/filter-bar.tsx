// What the list can be narrowed by. Every change goes into the address, and the list follows the address.

import type { Status } from '../api/types.js'
import { STATUSES } from '../parts/statuses.js'
import { executionPath, go, withQuery } from '../router.js'
import { SPANS, type ListFilter } from './filter.js'

export interface FilterBarProps {
  readonly filter: ListFilter
  readonly workflows: readonly string[]
}

/** A changed filter begins at the first page. */
function narrow(changes: Readonly<Record<string, string | undefined>>): void {
  go(withQuery({ cursor: undefined, ...changes }))
}

export function FilterBar({ filter, workflows }: FilterBarProps) {
  const { workflow, since, from, to, parentId } = filter
  const isRange = since === 'range' || (since === '' && (from !== '' || to !== ''))
  return (
    <>
      <div class="filters" role="search">
        <form
          class="search spread"
          onSubmit={(event) => {
            event.preventDefault()
            const id = new FormData(event.currentTarget).get('id')
            if (typeof id === 'string' && id.trim() !== '') go(executionPath(id.trim()))
          }}
        >
          <input
            class="field search"
            name="id"
            type="search"
            data-search
            aria-label="Execution id"
            placeholder="Open by execution id   /"
            autocomplete="off"
            spellcheck={false}
          />
        </form>
        <select
          class="field"
          aria-label="Workflow"
          value={workflow}
          onChange={(event) => narrow({ workflow: event.currentTarget.value })}
        >
          <option value="">every workflow</option>
          {(workflow === '' || workflows.includes(workflow) ? workflows : [workflow, ...workflows]).map(
            (name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ),
          )}
        </select>
        <select
          class="field"
          aria-label="Started"
          value={isRange ? 'range' : since}
          onChange={(event) => narrow({ since: event.currentTarget.value, from: undefined, to: undefined })}
        >
          <option value="">any time</option>
          {SPANS.map(({ value, name }) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
          <option value="range">from … to …</option>
        </select>
        {isRange && (
          <>
            <Instant name="from" label="Started after" value={from} />
            <Instant name="to" label="Started before" value={to} />
          </>
        )}
        <input
          class="field"
          aria-label="Attributes"
          placeholder="attribute=value …"
          value={filter.attributes}
          spellcheck={false}
          onChange={(event) => narrow({ attributes: event.currentTarget.value.trim() })}
        />
        {parentId !== '' && (
          <button
            type="button"
            class="chip"
            aria-pressed="true"
            onClick={() => narrow({ parentId: undefined })}
          >
            children of {parentId} ×
          </button>
        )}
      </div>
      <div class="chips" role="group" aria-label="Status">
        {STATUSES.map((status) => (
          <StatusChip key={status} status={status} chosen={filter.statuses} />
        ))}
      </div>
    </>
  )
}

function Instant({
  name,
  label,
  value,
}: {
  readonly name: string
  readonly label: string
  readonly value: string
}) {
  return (
    <input
      class="field"
      type="datetime-local"
      aria-label={label}
      value={value}
      onChange={(event) => narrow({ since: 'range', [name]: event.currentTarget.value })}
    />
  )
}

function StatusChip({ status, chosen }: { readonly status: Status; readonly chosen: readonly Status[] }) {
  const isOn = chosen.includes(status)
  const next = isOn ? chosen.filter((one) => one !== status) : [...chosen, status]
  return (
    <button
      type="button"
      class="chip"
      aria-pressed={isOn ? 'true' : 'false'}
      onClick={() => narrow({ status: STATUSES.filter((one) => next.includes(one)).join(',') })}
    >
      {status}
    </button>
  )
}
