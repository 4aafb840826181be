import { useEffect, useRef, useState } from 'preact/hooks'
import { type Picture, type Row, type User, type Worklist, get } from '../api'
import { go } from '../router'
import { WHOLE } from '../viewer/geometry'
import { plane as fetchPlane } from '../viewer/planes'
import { type Plane, View } from '../viewer/View'
import { STATES, date, percent, personName, time } from '../words'

const PAGE = 50
const SORTS: [string, string][] = [
  ['arrived', 'last arrival'],
  ['suspicion', 'suspicion of metastasis'],
  ['uncertainty', 'uncertainty'],
  ['date', 'date of study'],
  ['patient', 'patient'],
]

export function WorklistPage({ user }: { user: User }) {
  const [state, setState] = useState('')
  const [search, setSearch] = useState('')
  const [sort, setSort] = useState('arrived')
  const [descending, setDescending] = useState(true)
  const [offset, setOffset] = useState(0)
  const [list, setList] = useState<Worklist | null>(null)
  const [chosen, setChosen] = useState(0)
  const [fault, setFault] = useState('')
  const pulse = usePulse()
  useEffect(() => {
    const query = new URLSearchParams({ state, search, sort, descending: String(descending), limit: String(PAGE), offset: String(offset) })
    let current = true
    get<Worklist>(`/api/worklist?${query}`)
      .then((l) => {
        if (!current) return
        setList(l)
        setFault('')
      })
      .catch((e: Error) => current && setFault(e.message))
    return () => {
      current = false
    }
  }, [state, search, sort, descending, offset, pulse])
  const rows = list?.rows ?? []
  const at = Math.min(chosen, Math.max(0, rows.length - 1))
  useKeys(rows, at, setChosen)
  const total = Object.values(list?.states ?? {}).reduce((a, b) => a + b, 0)
  return (
    <main class="worklist">
      <aside class="filters">
        <h1>Worklist</h1>
        <input type="search" id="search" placeholder="Search  /" aria-label="Search patients, studies, reports" value={search} onInput={(e) => { setSearch(e.currentTarget.value); setOffset(0) }} />
        <ul>
          {['', ...Object.keys(STATES)].map((s) => (
            <li key={s}>
              <button class={s === state ? 'on' : ''} aria-pressed={s === state} onClick={() => { setState(s); setOffset(0) }}>
                <span>{s ? STATES[s] : 'all'}</span> <span class="count">{s ? (list?.states[s] ?? 0) : total}</span>
              </button>
            </li>
          ))}
        </ul>
        <label>Sort by
          <select value={sort} onChange={(e) => setSort(e.currentTarget.value)}>
            {SORTS.map(([k, name]) => <option key={k} value={k}>{name}</option>)}
          </select>
        </label>
        <label class="inline"><input type="checkbox" checked={descending} onChange={(e) => setDescending(e.currentTarget.checked)} /> highest first</label>
        <p class="hint">↑ ↓ choose · Enter open · N next unread · / search</p>
        {user.may.includes('store') && <Upload />}
      </aside>
      <section class="table" aria-label="Studies">
        {fault && <p class="fault" role="alert">{fault}</p>}
        <table>
          <thead>
            <tr><th>Patient</th><th>Date</th><th>Study</th><th class="r">Metastasis</th><th class="r">Doubt</th><th>State</th></tr>
          </thead>
          <tbody>
            {rows.map((r, i) => (
              <tr key={r.key} class={i === at ? 'chosen' : ''} aria-selected={i === at} data-study={r.key} data-state={r.state}
                onClick={() => setChosen(i)} onDblClick={() => go(`/studies/${r.key}`)}>
                <td><a href={`/studies/${r.key}`} title={r.name}>{personName(r.name).slice(0, 60)}</a><small title={r.issuer}>{r.patient_id.slice(0, 40)} {r.sex}</small></td>
                <td>{date(r.date)}<small>{time(r.time)}</small></td>
                <td title={r.description}>{r.description.slice(0, 60)}<small>{r.modalities.replaceAll('\\', ' ')}{r.studies_of_patient > 1 ? ` · ${r.studies_of_patient} studies` : ''}</small></td>
                <td class="r"><Bar p={r.suspicion} /></td>
                <td class="r">{r.uncertainty === null ? '–' : r.uncertainty >= 1 ? <b class="unsure" title="Both answers are possible">not sure</b> : r.uncertainty < 0.1 ? 'low' : 'some'}</td>
                <td><State row={r} /></td>
              </tr>
            ))}
          </tbody>
        </table>
        {list && rows.length === 0 && <p class="empty">No study is here. Push one to the DICOM node, or drop files on the left.</p>}
        <footer>
          <button disabled={offset === 0} onClick={() => setOffset(offset - PAGE)}>← earlier</button>
          <span>{list ? `${Math.min(offset + 1, list.total)}–${Math.min(offset + PAGE, list.total)} of ${list.total}` : ''}</span>
          <button disabled={!list || offset + PAGE >= list.total} onClick={() => setOffset(offset + PAGE)}>further →</button>
        </footer>
      </section>
      <Preview row={rows[at]} />
    </main>
  )
}

function Bar({ p }: { p: number | null }) {
  if (p === null) return <span>–</span>
  return (
    <span class="bar-cell">
      <meter min={0} max={1} value={p} aria-label={`Probability of metastasis ${percent(p)}`} /> <span>{percent(p)}</span>
    </span>
  )
}

function State({ row }: { row: Row }) {
  return (
    <>
      <span class={`state ${row.state}`}>{row.waiting ? 'being read …' : STATES[row.state]}</span>
      {row.mine && <small>{row.mine === 'draft' ? 'my draft' : 'read by me'}</small>}
      {row.warnings.length > 0 && <small class="warn" title={row.warnings.join('\n')}>⚠ {row.warnings.length}</small>}
    </>
  )
}

/** Changes whenever the server says that the worklist did. */
function usePulse(): string {
  const [pulse, setPulse] = useState('')
  useEffect(() => {
    const source = new EventSource('/api/events')
    source.addEventListener('worklist', (e) => setPulse((e as MessageEvent).data))
    return () => source.close()
  }, [])
  return pulse
}

function useKeys(rows: Row[], at: number, choose: (i: number) => void) {
  useEffect(() => {
    const pressed = (e: KeyboardEvent) => {
      const typing = e.target instanceof HTMLInputElement && e.target.type !== 'checkbox'
      if (e.key === '/' && !typing) {
        e.preventDefault()
        document.getElementById('search')?.focus()
      } else if (e.key === 'ArrowDown') choose(Math.min(at + 1, rows.length - 1))
      else if (e.key === 'ArrowUp') choose(Math.max(at - 1, 0))
      else if (e.key === 'Enter' && rows[at] && !(e.target instanceof HTMLButtonElement)) go(`/studies/${rows[at].key}`)
      else if (e.key.toLowerCase() === 'n' && !typing && !e.ctrlKey) {
        const next = rows.find((r) => r.state === 'read' || r.state === 'new' || r.state === 'second')
        if (next) go(`/studies/${next.key}`)
      } else return
      if (e.key.startsWith('Arrow')) e.preventDefault()
    }
    window.addEventListener('keydown', pressed)
    return () => window.removeEventListener('keydown', pressed)
  }, [rows, at])
}

function Preview({ row }: { row: Row | undefined }) {
  const [planes, setPlanes] = useState<{ view: string; plane: Plane; top: number; unit: string }[]>([])
  const [refused, setRefused] = useState('')
  const asked = useRef(0)
  useEffect(() => {
    setRefused('')
    if (!row) return setPlanes([])
    const mine = ++asked.current
    const load = async () => {
      const { state, pictures } = await get<{ state: string; pictures: Picture[] }>(`/api/studies/${row.key}/pictures`)
      const first = pictures.find((p) => p.manner !== 'refused')
      if (!first) return mine === asked.current && (setPlanes([]), setRefused(pictures[0]?.refused ?? 'Nothing here can be shown.'))
      const views = first.axes[0]?.name === 'view' ? first.axes[0].labels : ['']
      const count = first.manner === 'planar' ? Math.min(views.length, 2) : 1
      const middle = first.manner === 'volume' ? Math.floor(first.planes / 2) : 0
      const made = await Promise.all(Array.from({ length: count }, (_, i) => fetchPlane(row.key, state, first, first.manner === 'planar' ? i : middle)))
      if (mine === asked.current) setPlanes(made.map((plane, i) => ({ view: views[i] ?? '', plane, top: first.top, unit: first.unit })))
    }
    load().catch((e: Error) => mine === asked.current && setRefused(e.message))
  }, [row?.key, row?.instances])
  return (
    <aside class="preview" aria-label="Preview">
      {row && (
        <>
          <div class="pair">
            {planes.map((p) => (
              <View key={p.view} name={row.patient_id} view={p.view} plane={p.plane} look={WHOLE} unit={p.unit} window={{ low: 0, high: p.top, map: 'grey', root: false }} />
            ))}
          </div>
          {refused && <p class="fault">{refused}</p>}
          {row.warnings.map((w) => <p key={w} class="warn">⚠ {w}</p>)}
          <a class="button primary" href={`/studies/${row.key}`}>Open</a>
        </>
      )}
    </aside>
  )
}

function Upload() {
  const [said, setSaid] = useState('')
  const take = async (files: FileList | null) => {
    if (!files) return
    let good = 0
    const bad: string[] = []
    for (const file of files) {
      const { upload } = await import('../upload')
      await upload(file).then(() => good++, (e: Error) => bad.push(`${file.name}: ${e.message}`))
      setSaid(`${good} of ${files.length} received`)
    }
    setSaid([`${good} received`, ...bad].join('. '))
  }
  return (
    <label class="drop" onDragOver={(e) => e.preventDefault()} onDrop={(e) => { e.preventDefault(); void take(e.dataTransfer?.files ?? null) }}>
      <span>Add DICOM files</span>
      <input type="file" multiple onChange={(e) => void take(e.currentTarget.files)} />
      {said && <small role="status">{said}</small>}
    </label>
  )
}
