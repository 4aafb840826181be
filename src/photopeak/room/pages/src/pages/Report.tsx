// The report: drafted from what was found, edited, signed; a signed one is amended by another, never changed.

import { useEffect, useRef, useState } from 'preact/hooks'
import { type StudyDetail, type User, get, send } from '../api'
import { date, personName } from '../words'

export interface Report {
  key: number
  number: number
  state: 'draft' | 'signed'
  version: number
  document: { sections: Record<string, string>; metastasis: string; arthritis: string; lesions: unknown[]; bone_scan_index_percent: number | null }
  signer: string
  signed: string | null
  content_sha256: string
  bundle_sha256: string
  objects: string[]
}

const SECTIONS: [string, string, number][] = [
  ['indication', 'Indication', 2],
  ['technique', 'Technique', 2],
  ['comparison', 'Comparison', 1],
  ['findings', 'Findings', 7],
  ['conclusion', 'Conclusion', 3],
  ['limitations', 'Limitations', 2],
]

export function ReportPage({ study, user, demo }: { study: number; user: User; demo: boolean }) {
  const [detail, setDetail] = useState<StudyDetail | null>(null)
  const [reports, setReports] = useState<Report[]>([])
  const [sections, setSections] = useState<Record<string, string>>({})
  const [saved, setSaved] = useState('')
  const [fault, setFault] = useState('')
  const [password, setPassword] = useState('')
  const version = useRef(0)
  const last = reports[reports.length - 1]
  const may = user.may.includes('report')
  const path = `/api/studies/${study}/reports`
  const failed = (e: Error) => setFault(e.message)
  const take = (all: Report[]) => {
    setReports(all)
    const now = all[all.length - 1]
    version.current = now?.version ?? 0
    setSections(now?.document.sections ?? {})
  }
  const load = () => get<Report[]>(path).then(take, failed)
  useEffect(() => {
    get<StudyDetail>(`/api/studies/${study}`).then(setDetail, failed)
    void load()
  }, [study])
  useEffect(() => {
    // The objects are made after signing, by whoever has time.
    if (last?.state !== 'signed' || last.objects.length) return
    const timer = setTimeout(() => void load(), 1500)
    return () => clearTimeout(timer)
  }, [reports])
  const draft = () => send<Report[]>('POST', path).then((r) => { take(r); setFault('') }, failed)
  useEffect(() => {
    if (!last || last.state !== 'draft' || sections === last.document.sections || !saved) return
    const timer = setTimeout(() => {
      send<Report>('PUT', `${path}/draft`, { version: version.current, sections }).then((r) => {
        version.current = r.version
        setSaved('saved')
        setFault('')
      }, failed)
    }, 600)
    return () => clearTimeout(timer)
  }, [sections])
  const sign = () => send<Report[]>('POST', `${path}/sign`, { version: version.current, password }).then((r) => { take(r); setPassword(''); setFault('') }, failed)
  return (
    <main class="report">
      <section class="sheet">
        <header class="page-head">
          <h1>Report</h1>
          {detail && <span><strong>{personName(detail.name)}</strong> {detail.patient_id} · {date(detail.date)} · {detail.description}</span>}
          <a href={`/studies/${study}`}>Images</a>
        </header>
        {fault && <p class="fault" role="alert">{fault}</p>}
        {!last && may && <p class="empty">No report yet. <button class="primary" onClick={() => void draft()}>Draft it from my read</button></p>}
        {last && (
          <>
            <p class={`banner ${last.state}`}>
              {last.state === 'draft' ? `Draft${last.number > 1 ? `, amendment ${last.number - 1}` : ''}: not signed. ${saved}` : `Signed by ${last.signer} at ${last.signed?.slice(0, 16).replace('T', ' ')} UTC. sha256 ${last.content_sha256.slice(0, 16)}`}
            </p>
            {SECTIONS.map(([k, name, rows]) => (
              <label key={k} class="section">{name}
                <textarea rows={rows} value={sections[k] ?? ''} readOnly={last.state === 'signed' || !may} onInput={(e) => { setSections({ ...sections, [k]: e.currentTarget.value }); setSaved('not saved yet') }} />
              </label>
            ))}
            {may && last.state === 'draft' && (
              <form class="inline-form" onSubmit={(e) => { e.preventDefault(); void sign() }}>
                <button type="button" onClick={() => void draft()}>Draft anew from my read</button>
                {!demo && <input type="password" placeholder="password, to sign" aria-label="Password, to sign" required value={password} onInput={(e) => setPassword(e.currentTarget.value)} />}
                <button class="primary" disabled={saved === 'not saved yet'}>Sign</button>
              </form>
            )}
            {may && last.state === 'signed' && <button onClick={() => void draft()}>Amend</button>}
          </>
        )}
        {reports.length > 1 && <ol class="versions">{reports.map((r) => <li key={r.key}>{r.number === 1 ? 'report' : `amendment ${r.number - 1}`}: {r.state} {r.signer} {r.signed?.slice(0, 16).replace('T', ' ')}</li>)}</ol>}
      </section>
      <aside class="paper" aria-label="As it will be sent">
        {last ? <iframe key={`${last.key} ${last.state} ${saved}`} title="Report as PDF" src={`${path}/${last.key}/pdf#toolbar=0&navpanes=0&view=FitH`} /> : <p class="empty">The PDF appears here.</p>}
        {last?.state === 'signed' && <p class="small">{last.objects.length ? `Kept and sent as ${last.objects.length} DICOM objects: SR, SEG, PDF.` : 'Its DICOM objects are being made …'} <a href={`${path}/${last.key}/pdf`} download>PDF</a></p>}
      </aside>
    </main>
  )
}
