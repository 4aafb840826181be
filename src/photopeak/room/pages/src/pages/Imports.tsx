// Text reports and LabelMe files from elsewhere, each to the study that it belongs to.

import { useEffect, useState } from 'preact/hooks'
import { type Row, type User, type Worklist, get } from '../api'
import { type Item, type Unmarked, hindrance, itemOf, matched, take } from '../importing'
import { date, personName } from '../words'

interface Cohort {
  key: number
  name: string
  mine: number
}

export function Imports({ user }: { user: User }) {
  const [items, setItems] = useState<Item[]>([])
  const [studies, setStudies] = useState<Record<number, Row>>({})
  const [unmarked, setUnmarked] = useState<Unmarked>('')
  const [cohort, setCohort] = useState(0)
  const [cohorts, setCohorts] = useState<Cohort[]>([])
  const [busy, setBusy] = useState(false)
  const [fault, setFault] = useState('')
  const marks = items.some((x) => x.kind === 'marks') && user.may.includes('read')
  useEffect(() => {
    if (marks) get<{ cohorts: Cohort[] }>('/api/cohorts').then((c) => setCohorts(c.cohorts.filter((x) => x.mine > 0)), () => undefined)
  }, [marks])
  const know = (rows: Row[]) => setStudies((s) => ({ ...s, ...Object.fromEntries(rows.map((r) => [r.key, r])) }))
  const change = (id: number, how: Partial<Item>) => setItems((all) => all.map((x) => (x.id === id ? { ...x, ...how } : x)))
  const add = async (files: FileList | null) => {
    if (!files?.length) return
    setBusy(true)
    try {
      const found = await matched(await Promise.all([...files].map(itemOf)))
      know(found.studies)
      setItems((all) => [...all, ...found.items])
      setFault('')
    } catch (e) {
      setFault((e as Error).message)
    }
    setBusy(false)
  }
  const silent = items.some((x) => x.silent)
  const ready = items.filter((x) => x.state !== 'done' && !hindrance(x, user, unmarked))
  const start = async () => {
    setBusy(true)
    for (const item of ready) {
      change(item.id, { state: 'busy' })
      change(item.id, await take(item, unmarked, cohort))
    }
    setBusy(false)
  }
  const done = items.filter((x) => x.state === 'done').length
  return (
    // Anywhere on the page: a browser leaves the page for a file that is dropped beside a box.
    <main class="plain" onDragOver={(e) => e.preventDefault()} onDrop={(e) => { e.preventDefault(); void add(e.dataTransfer?.files ?? null) }}>
      <header class="page-head">
        <h1>Imports</h1>
        <span class="hint">Text reports (.txt) are kept with their study and found by the worklist’s search; LabelMe files (.json) become reads of your own.</span>
      </header>
      {fault && <p class="fault" role="alert">{fault}</p>}
      <label class="drop wide">
        <span>Drop files here, or choose them. A name with the accession number, a UID, or the patient ID and the date says the study; else you choose it.</span>
        <input type="file" multiple accept=".txt,.json" disabled={busy} onChange={(e) => void add(e.currentTarget.files)} />
      </label>
      {marks && <Marks silent={silent} unmarked={unmarked} onUnmarked={setUnmarked} cohorts={cohorts} cohort={cohort} onCohort={setCohort} />}
      {items.length > 0 && (
        <section class="card" aria-label="Files">
          <table class="imports">
            <thead><tr><th>File</th><th>What it is</th><th>Study</th><th>Result</th></tr></thead>
            <tbody>
              {items.map((x) => (
                <tr key={x.id} data-file={x.name} data-state={x.state}>
                  <td>{x.name}</td>
                  <td>{x.kind === 'report' ? 'report' : x.kind === 'marks' ? 'LabelMe marks' : 'not taken'}<small>{x.note}</small></td>
                  <td>{x.kind !== 'neither' && <Picker item={x} studies={studies} onKnow={know} onChange={(how) => change(x.id, how)} />}</td>
                  <td><Result item={x} hindered={hindrance(x, user, unmarked)} /></td>
                </tr>
              ))}
            </tbody>
          </table>
          <footer class="inline-form">
            <button class="primary" disabled={busy || ready.length === 0} onClick={() => void start()}>Import {ready.length} {ready.length === 1 ? 'file' : 'files'}</button>
            <button disabled={busy} onClick={() => setItems(items.filter((x) => x.state !== 'done'))}>Clear what is done</button>
            <progress value={done} max={items.length} aria-label={`${done} of ${items.length} imported`} /> <span role="status">{done} of {items.length} imported</span>
          </footer>
        </section>
      )}
    </main>
  )
}

/** What a LabelMe file does not say itself, and somebody has to. */
function Marks(props: { silent: boolean; unmarked: Unmarked; onUnmarked: (u: Unmarked) => void; cohorts: Cohort[]; cohort: number; onCohort: (key: number) => void }) {
  const choices: [Unmarked, string][] = [
    ['no', 'There is none: the question is answered no, and the read is finished'],
    ['not asked', 'It was not asked: the question stays open, in a draft for you to finish'],
  ]
  if (!props.silent && !props.cohorts.length) return null
  return (
    <div class="card unmarked">
      {props.silent && <fieldset>
        <legend>When a LabelMe file marks no metastasis, or no arthritis</legend>
        {choices.map(([value, words]) => <label key={value} class="inline"><input type="radio" name="unmarked" checked={props.unmarked === value} onChange={() => props.onUnmarked(value)} /> {words}</label>)}
      </fieldset>}
      {props.cohorts.length > 0 && (
        <label>As my read in
          <select value={props.cohort} onChange={(e) => props.onCohort(Number(e.currentTarget.value))}>
            <option value={0}>clinical work</option>
            {props.cohorts.map((c) => <option key={c.key} value={c.key}>the cohort {c.name}</option>)}
          </select>
        </label>
      )}
    </div>
  )
}

function Result({ item, hindered }: { item: Item; hindered: string }) {
  if (item.state === 'busy') return <span role="status">being imported …</span>
  if (item.state === 'done') return <span class="done">{item.result}</span>
  if (item.state === 'failed') return <span class="fault">{item.result}</span>
  return <span class={hindered ? 'warn' : 'hint'}>{hindered || 'ready'}</span>
}

/** A study in a line, and what tells it from another one of the same name. */
function called(row: Row | undefined): [string, string] {
  if (!row) return ['', '']
  return [`${personName(row.name).slice(0, 40)}, ${date(row.date)}`, [row.patient_id.slice(0, 40), row.issuer.slice(0, 30), row.accession].filter(Boolean).join(' · ')]
}

/** The study of a file: as its name says it, one of several that it may mean, or one that is searched for. */
function Picker({ item, studies, onKnow, onChange }: { item: Item; studies: Record<number, Row>; onKnow: (rows: Row[]) => void; onChange: (how: Partial<Item>) => void }) {
  const [search, setSearch] = useState('')
  const [found, setFound] = useState<Row[]>([])
  useEffect(() => {
    if (!search.trim()) return setFound([])
    let current = true
    const timer = setTimeout(() => {
      get<Worklist>(`/api/worklist?${new URLSearchParams({ search, limit: '8', sort: 'date' })}`).then((w) => {
        if (!current) return
        onKnow(w.rows)
        setFound(w.rows)
      }, () => current && setFound([]))
    }, 250)
    return () => {
      current = false
      clearTimeout(timer)
    }
  }, [search])
  const pick = (study: number | null, why: string) => {
    setSearch('')
    onChange({ study, why, image: '', images: [], state: 'open', result: '' })
  }
  if (item.study !== null) {
    const open = item.state === 'open' || item.state === 'failed'
    return (
      <>
        <a href={`/studies/${item.study}`} target="_blank">{called(studies[item.study])[0]}</a>
        <small>{called(studies[item.study])[1]} · by {item.why} {open && <button class="link" onClick={() => pick(null, 'chosen anew')}>change</button>}</small>
        {item.images.length > 1 && open && (
          <select aria-label={`Image of ${item.name}`} value={item.image} onChange={(e) => onChange({ image: e.currentTarget.value })}>
            <option value="">drawn on which image?</option>
            {item.images.map((i) => <option key={i.image} value={i.image}>{i.name}</option>)}
          </select>
        )}
      </>
    )
  }
  const choices = found.length ? found.map((r) => r.key) : item.candidates
  return (
    <div class="picker">
      <small>{item.why}</small>
      <input type="search" value={search} placeholder="search the worklist" aria-label={`Search the study of ${item.name}`} onInput={(e) => setSearch(e.currentTarget.value)} />
      {choices.map((key) => <button key={key} onClick={() => pick(key, 'your choice')}>{called(studies[key])[0]} <small>{called(studies[key])[1]}</small></button>)}
    </div>
  )
}
