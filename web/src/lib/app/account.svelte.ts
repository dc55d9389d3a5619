/** Who is signed in and what the server is. Owns both; refuses to know pages. */

import { ApiError, setCsrfToken } from '../api/client';
import { api } from '../api/endpoints';
import type { ServerInfo, SignedIn, User } from '../api/types';

class Account {
  user = $state.raw<User | null>(null);
  info = $state.raw<ServerInfo | null>(null);
  /** False until the first answers are in. */
  known = $state(false);
  /** The server could not be reached at the start. */
  unreachable = $state(false);
  passwordMinLength = $derived(this.info?.password_min_length ?? 8);

  async load(): Promise<void> {
    this.unreachable = false;
    try {
      this.info = await api.info();
      this.user = await api.profile().catch((error: unknown) => {
        if (error instanceof ApiError && (error.status === 401 || error.status === 403)) return null;
        throw error;
      });
      this.known = true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.unreachable = true;
    }
  }

  signedIn(result: SignedIn): void {
    setCsrfToken(result.csrf_token);
    this.user = result.user;
  }

  async signOut(): Promise<void> {
    try {
      await api.logout();
    } catch (error) {
      // Signed out already is as good as signed out.
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
    }
    this.forget();
  }

  forget(): void {
    setCsrfToken(null);
    this.user = null;
  }
}

export const account = new Account();
