//! The stubs, in modules named like their packages.
pub mod tokferry {
    pub mod v1 {
        tonic::include_proto!("tokferry.v1");
    }
    pub mod mparticle {
        pub mod v1 {
            tonic::include_proto!("tokferry.mparticle.v1");
        }
    }
    pub mod tiktok {
        pub mod v1 {
            tonic::include_proto!("tokferry.tiktok.v1");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::tokferry::mparticle::v1::Batch;
    use prost::Message;

    #[test]
    fn absent_differs_from_zero_and_large_ids_stay_whole() {
        let batch = Batch { mpid: Some(i64::MIN), batch_id: Some(0), ..Default::default() };

        let read = Batch::decode(batch.encode_to_vec().as_slice()).expect("what was written");

        assert_eq!((read.mpid, read.batch_id, read.origin_mpid), (Some(i64::MIN), Some(0), None));
    }
}
