//! A large artifact, there and back.

use anyhow::{Result, ensure};

use super::{
    Effort,
    client::{Client, millis},
    compare,
    servers::Server,
};
use crate::serving::{http::request, load::median, table::Table};

/// Times that the file goes each way.
const TIMES: usize = 3;

pub(super) async fn measure(
    ours: &Server,
    others: &[Server],
    effort: Effort,
    table: &mut Table,
) -> Result<()> {
    eprintln!("measuring an artifact of {} MB", effort.artifact >> 20);
    // No two of its pages are alike, so that nothing can be saved by that.
    let mut state = 1_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    let file: Vec<u8> = words.take(effort.artifact / 8).flatten().collect();
    let mine = there_and_back(ours, &file).await?;
    for other in others {
        let theirs = there_and_back(other, &file).await?;
        let size = effort.artifact >> 20;
        table.lines.push(compare(&format!("upload of {size} MB"), mine.0, other, theirs.0));
        table.lines.push(compare(&format!("download of {size} MB"), mine.1, other, theirs.1));
    }
    Ok(())
}

/// Median milliseconds of upload and download.
async fn there_and_back(server: &Server, file: &[u8]) -> Result<(f64, f64)> {
    let mut client = Client::open(server).await?;
    let experiment = client.experiment("artifacts").await?;
    let run = client.run(&experiment, 0).await?;
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for number in 0..TIMES {
        let path =
            format!("/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/model-{number}.bin");
        // Another first byte each time, so that it is another file.
        let mut other = file.to_vec();
        if let Some(first) = other.first_mut() {
            *first = u8::try_from(number).unwrap_or_default();
        }
        let put = request("PUT", &path, &[("content-type", "application/octet-stream")], &other);
        up.push(millis(client.timed(&put).await?));
        let get = request("GET", &path, &[], b"");
        if number == 0 {
            ensure!(client.body(&get).await? == other, "{} gave another file back", server.name);
        }
        down.push(millis(client.timed(&get).await?));
    }
    Ok((median(up), median(down)))
}
