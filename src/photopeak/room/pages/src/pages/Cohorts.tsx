import { useEffect, useState } from 'preact/hooks'
import { type Row, type User, type Worklist, get, send } from '../api'
import { go } from '../router'
import { date, personName } from '../words'

interface Progress {
  key: number
  name: string
  blind: boolean
  studies: number
  decided: number
  mine: number
  readers: { display: string; done: number; of: number }[]
}

export function Cohorts({ user }: { user: User }) {
  const [data, setData] = useState<{ cohorts: Progress[]; readers: { key: number; display: string; role: string }[] } | null>(null)
  const [fault, setFault] = useState('')
  const [making, setMaking] = useState(false)
  const load = () => get<typeof data>('/api/cohorts').then(setData, (e: Error) => setFault(e.message))
  useEffect(() => void load(), [])
  return (
    <main class="plain">
      <header class="page-head">
        <h1>Cohorts</h1>
        {user.may.includes('cohorts') && <button class="primary" onClick={() => setMaking(!making)}>Assign studies to readers</button>}
      </header>
      {fault && <p class="fault" role="alert">{fault}</p>}
      {making && data && <Make readers={data.readers} onMade={(key) => go(`/cohorts/${key}`)} />}
      <div class="cards">
        {data?.cohorts.map((c) => (
          <a key={c.key} class="card" href={`/cohorts/${c.key}`}>
            <h2>{c.name}</h2>
            <p>{c.studies} studies · {c.blind ? 'blind' : 'open'} · {c.decided} decided</p>
            {c.readers.map((r) => (
              <div key={r.display} class="progress"><span>{r.display}</span><progress value={r.done} max={r.of} aria-label={`${r.display} ${r.done} of ${r.of}`} /><small>{r.done}/{r.of}</small></div>
            ))}
          </a>
        ))}
        {data && data.cohorts.length === 0 && <p class="empty">No cohort yet.</p>}
      </div>
    </main>
  )
}

function Make({ readers, onMade }: { readers: { key: number; display: string; role: string }[]; onMade: (key: number) => void }) {
  const [name, setName] = useState('')
  const [blind, setBlind] = useState(true)
  const [who, setWho] = useState<number[]>([])
  const [n, setN] = useState(10)
  const [by, setBy] = useState('uncertainty')
  const [fault, setFault] = useState('')
  const make = async () => {
    try {
      const list = await get<Worklist>(`/api/worklist?sort=${by}&limit=${n}`)
      const made = await send<{ key: number }>('POST', '/api/cohorts', { name, blind, studies: list.rows.map((r) => r.key), readers: who })
      onMade(made.key)
    } catch (e) {
      setFault((e as Error).message)
    }
  }
  return (
    <form class="card form" onSubmit={(e) => { e.preventDefault(); void make() }}>
      <label>Name <input required value={name} maxLength={128} onInput={(e) => setName(e.currentTarget.value)} /></label>
      <label>Studies <input type="number" min="1" max="200" value={n} onInput={(e) => setN(Number(e.currentTarget.value))} /></label>
      <label>Chosen by
        <select value={by} onChange={(e) => setBy(e.currentTarget.value)}>
          <option value="uncertainty">most informative: where the network is least sure</option>
          <option value="suspicion">suspicion of metastasis</option>
          <option value="arrived">last arrival</option>
        </select>
      </label>
      <fieldset><legend>Readers</legend>
        {readers.map((r) => (
          <label key={r.key} class="inline"><input type="checkbox" checked={who.includes(r.key)} onChange={(e) => setWho(e.currentTarget.checked ? [...who, r.key] : who.filter((k) => k !== r.key))} /> {r.display} <small>{r.role}</small></label>
        ))}
      </fieldset>
      <label class="inline"><input type="checkbox" checked={blind} onChange={(e) => setBlind(e.currentTarget.checked)} /> blind: the network is hidden until a read is finished</label>
      <button class="primary" disabled={!name || !who.length}>Assign</button>
      {fault && <p class="fault" role="alert">{fault}</p>}
    </form>
  )
}

type CohortRow = Row & { mine: string; done: number; decided: boolean }
interface Figure { value: number | null; low: number | null; high: number | null; n: number }
interface Agreement {
  readers: string[]
  studies: number
  seconds: Record<string, number | null>
  questions: Record<string, { fleiss_kappa: Figure; percent_agreement: Figure; pairs: { readers: string[]; cohens_kappa: Figure; percent_agreement: Figure }[] }>
  lesions: { readers: string[]; both: number; only_first: number; only_second: number; specific_agreement: number | null; mean_dice: number | null }[]
}

export function CohortPage({ cohort, user }: { cohort: number; user: User }) {
  const [data, setData] = useState<(Progress & { rows: CohortRow[] }) | null>(null)
  const [agreed, setAgreed] = useState<Agreement | null>(null)
  const [fault, setFault] = useState('')
  const leads = user.may.includes('cohorts')
  useEffect(() => {
    const failed = (e: Error) => setFault(e.message)
    get<typeof data>(`/api/cohorts/${cohort}`).then(setData, failed)
    if (leads) get<Agreement>(`/api/cohorts/${cohort}/agreement`).then(setAgreed, failed)
  }, [cohort])
  if (!data) return <main class="plain"><p class="fault" role="alert">{fault}</p></main>
  const next = data.rows.find((r) => r.mine !== 'finished')
  return (
    <main class="plain">
      <header class="page-head">
        <h1>{data.name}</h1>
        <span>{data.studies} studies · {data.blind ? 'blind' : 'open'}</span>
        {data.mine > 0 && next && <a class="button primary" href={`/studies/${next.key}?cohort=${cohort}`}>Read the next</a>}
        {leads && <a class="button" href={`/api/cohorts/${cohort}/export`} download>Export for photopeak train</a>}
      </header>
      <div class="two">
        <table>
          <thead><tr><th>Patient</th><th>Date</th><th>My read</th><th class="r">Finished</th><th>Consensus</th></tr></thead>
          <tbody>
            {data.rows.map((r) => (
              <tr key={r.key} data-study={r.key}>
                <td>{data.mine > 0 ? <a href={`/studies/${r.key}?cohort=${cohort}`}>{personName(r.name)}</a> : personName(r.name)}<small>{r.patient_id}</small></td>
                <td>{date(r.date)}</td>
                <td>{r.mine || '–'}</td>
                <td class="r">{r.done} of {data.readers.length}</td>
                <td>{user.may.includes('adjudicate') && r.done >= data.readers.length ? <a href={`/cohorts/${cohort}/studies/${r.key}`}>{r.decided ? 'decided' : 'compare and decide'}</a> : '–'}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {agreed && <AgreementView a={agreed} />}
      </div>
      {fault && <p class="fault" role="alert">{fault}</p>}
    </main>
  )
}

const shown = (f: Figure | undefined, digits = 2, unit = '') => (f?.value == null ? '–' : `${f.value.toFixed(digits)}${unit}${f.low == null ? '' : ` (${f.low.toFixed(digits)} to ${f.high!.toFixed(digits)})`}`)

function AgreementView({ a }: { a: Agreement }) {
  return (
    <section class="card">
      <h2>Agreement</h2>
      <p>{a.studies} studies that every reader has finished; intervals are 95 %, by patients.</p>
      <table>
        <thead><tr><th>Question</th><th>Fleiss' κ</th><th>agreement</th></tr></thead>
        <tbody>
          {Object.entries(a.questions).map(([q, f]) => (
            <tr key={q}><td>{q}</td><td>{shown(f.fleiss_kappa)}</td><td>{shown(f.percent_agreement, 0, ' %')}</td></tr>
          ))}
        </tbody>
      </table>
      <h3>Two by two</h3>
      <table>
        <thead><tr><th>Readers</th><th>κ metastasis</th><th>κ arthritis</th><th>lesions agreed</th><th>Dice</th></tr></thead>
        <tbody>
          {a.lesions.map((l, i) => (
            <tr key={i}>
              <td>{l.readers.join(' – ')}</td>
              <td>{shown(a.questions.metastasis?.pairs[i]?.cohens_kappa)}</td>
              <td>{shown(a.questions.arthritis?.pairs[i]?.cohens_kappa)}</td>
              <td>{l.specific_agreement == null ? '–' : l.specific_agreement.toFixed(2)} <small>{l.both} both, {l.only_first + l.only_second} one</small></td>
              <td>{l.mean_dice == null ? '–' : l.mean_dice.toFixed(2)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <h3>Time for a study</h3>
      <ul>{Object.entries(a.seconds).map(([name, s]) => <li key={name}>{name}: {s ? `${Math.round(s)} s` : '–'}</li>)}</ul>
    </section>
  )
}
