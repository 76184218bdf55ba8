// All that the page of one optimization shows.
import { get, getOrNull, type Change, type Model, type Optimization, type Policy, type Results, type State, type Version } from "../api.ts";

export interface Everything {
  optimization: Optimization;
  model: Model | null;
  results: Results | null;
  state: State | null;
  policy: Policy | null;
  versions: Version[];
  history: Change[];
  numeric: boolean;
}

export async function load(id: string): Promise<Everything> {
  const optimization = await get<Optimization>(`/optimizations/${id}`);
  const model_id = optimization.model_id;
  const of = <T,>(path: string) => (model_id === null ? Promise.resolve(null) : getOrNull<T>(path));
  // Before the first training run there is nothing more to ask for, and an archived optimization has no policy.
  const trained = <T,>(path: string) => (optimization.summary === null ? Promise.resolve(null) : of<T>(path));
  const [model, results, state, policy, posteriors, history] = await Promise.all([
    of<Model>(`/models/${model_id}`),
    trained<Results>(`/optimizations/${id}/results`),
    trained<State>(`/models/${model_id}/state`),
    optimization.status === "archived" ? null : trained<Policy>(`/optimizations/${id}/policy`),
    trained<{ posteriors: Version[] }>(`/models/${model_id}/posteriors`),
    getOrNull<{ history: Change[] }>(`/optimizations/${id}/history?limit=50`),
  ]);
  const numeric = (optimization.training_data_config ?? model?.training_data_config)?.reward.type === "numeric";
  return { optimization, model, results, state, policy, versions: posteriors?.posteriors ?? [], history: history?.history ?? [], numeric };
}
